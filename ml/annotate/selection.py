"""Selects pairs from a stream of them in bounded memory: at random, or the most telling ones."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Drawn:
    """Pairs of products.

    Attributes:
        left, right: int (pairs,), positions of products.
    """

    left: np.ndarray
    right: np.ndarray

    def __len__(self) -> int:
        return len(self.left)

    @staticmethod
    def joined(parts: "list[Drawn]") -> "Drawn":
        """Returns the pairs of several parts, in order."""
        none = np.zeros(0, int)
        sides = ([none, *(one.left for one in parts)], [none, *(one.right for one in parts)])
        return Drawn(*(np.concatenate(one) for one in sides))

    def at(self, places: np.ndarray | slice) -> "Drawn":
        """Returns some of the pairs."""
        return Drawn(self.left[places], self.right[places])


class Reservoir:
    """A simple random sample without replacement of all pairs that are offered.

    Each pair gets a random key, and the pairs with the smallest keys stay. So any first part of the
    sample is such a sample too. Keys of pairs that cannot stay are never drawn: only the number of
    those that can is (after Li 1994, "Reservoir-sampling algorithms of time complexity
    O(n(1 + log(N/n)))").

    Args:
        size: number of pairs that stay.
        random: of the keys.

    Attributes:
        offered: number of pairs so far.
    """

    def __init__(self, size: int, random: np.random.Generator) -> None:
        self.size, self.random, self.offered = size, random, 0
        self._keys = np.zeros(0)
        self._pairs = Drawn(np.zeros(0, int), np.zeros(0, int))

    def offer(self, left: np.ndarray, right: np.ndarray) -> None:
        """Offers pairs, each of them once in the reservoir's life."""
        self.offered += len(left)
        full = self.size > 0 and len(self._keys) == self.size
        limit = self._keys[-1] if full else 1.0
        count = int(self.random.binomial(len(left), limit)) if self.size else 0
        if not count:
            return
        places = self.random.choice(len(left), count, replace=False)
        keys = np.concatenate([self._keys, self.random.uniform(0, limit, count)])
        kept = np.argsort(keys, kind="stable")[: self.size]
        self._keys = keys[kept]
        self._pairs = Drawn.joined([self._pairs, Drawn(left[places], right[places])]).at(kept)

    def drawn(self, count: int) -> Drawn:
        """Returns the first pairs of the sample, in random order."""
        return self._pairs.at(slice(count))


class Strongest:
    """The pairs of the largest strength among all that are offered.

    Args:
        size: number of pairs that stay.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._strength = np.zeros(0)
        self._pairs = Drawn(np.zeros(0, int), np.zeros(0, int))

    def offer(self, left: np.ndarray, right: np.ndarray, strength: np.ndarray) -> None:
        """Offers pairs with their strength, float (pairs,); −inf is never taken."""
        weakest = self._strength[-1] if len(self._strength) == self.size else -np.inf
        places = np.flatnonzero(strength > weakest)
        if len(places) > self.size:
            places = places[np.argpartition(-strength[places], self.size - 1)[: self.size]]
            places.sort()
        found = np.concatenate([self._strength, strength[places]])
        kept = np.argsort(-found, kind="stable")[: self.size]
        self._strength = found[kept]
        self._pairs = Drawn.joined([self._pairs, Drawn(left[places], right[places])]).at(kept)

    def pairs(self) -> Drawn:
        """Returns the pairs, the strongest first."""
        return self._pairs
