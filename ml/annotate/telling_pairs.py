"""Chooses pairs whose answer would teach a model most."""

import numpy as np
import pandas as pd

from ml.annotate.candidates import Grouped, pairs_of, rows_of
from ml.annotate.known_answers import KnownAnswers
from ml.annotate.pair_scan import Pairs
from ml.annotate.selection import Drawn, Strongest

POOL = 5  # pairs in the pool for each pair that is chosen


class TellingPairs:
    """The pools of pairs whose answer would teach most.

    Args:
        grouped: the products.
        known: answers.
        budget: number of pairs that may be asked for.
    """

    def __init__(self, grouped: Grouped, known: KnownAnswers, budget: int) -> None:
        self.grouped = grouped
        answered = np.bincount(
            grouped.block[known.answered & (grouped.block >= 0)],
            minlength=int(grouped.block.max(initial=-1)) + 1,
        )
        self.unknown_block = answered == 0
        size = max(1, POOL * budget)
        self.near, self.disagreement = Strongest(size), Strongest(size)
        self.of_block: dict[int, Strongest] = {}

    def offer(self, pairs: Pairs, unknown: np.ndarray) -> None:
        """Offers pairs of one block.

        Args:
            unknown: bool (pairs,), whether nobody has answered, and nobody is asked already.
        """
        left, right, ratio = pairs.left, pairs.right, pairs.ratio[0]
        certainty = np.where(unknown, np.abs(ratio - 1), np.inf)
        self.near.offer(left, right, -certainty)
        if len(pairs.ratio) > 1:
            sides = 1 - ratio, 1 - pairs.ratio[1]
            opposite = unknown & (sides[0] * sides[1] < 0)
            least = np.minimum(*np.abs(sides))
            self.disagreement.offer(left, right, np.where(opposite, least, -np.inf))
        block = int(self.grouped.block[left[0]])
        new = self.grouped.new[left] | self.grouped.new[right]
        fresh = -certainty if self.unknown_block[block] else np.where(new, -certainty, -np.inf)
        if np.isfinite(fresh).any():
            self.of_block.setdefault(block, Strongest(POOL)).offer(left, right, fresh)

    def rows(
        self, taken: set[tuple[str, str]], budget: int, random: np.random.Generator
    ) -> list[pd.DataFrame]:
        """Returns pairs of each pool; what one lacks, the pool of the nearest pairs gives."""
        pools = {
            "disagreement": (self.disagreement.pairs(), "model and untrained features disagree"),
            "new": (
                Drawn.joined([one.pairs() for one in self.of_block.values()]),
                "of a block that nobody has annotated, or of a product that is new",
            ),
            "near": (self.near.pairs(), "near the threshold of the model"),
        }
        found, left = [], budget
        for number, (name, (pool, why)) in enumerate(pools.items()):
            ids = self.grouped.ids.to_numpy(object)
            named = list(zip(ids[pool.left], ids[pool.right], strict=True))
            pool = pool.at(np.array([one not in taken for one in named], bool))
            share = left // (len(pools) - number)
            if name != "new":  # there the pool holds some pairs of each block
                pool = pool.at(slice(POOL * share))
            picked = pool.at(random.permutation(len(pool))[:share])
            found.append(rows_of(self.grouped.ids, picked, name, len(pool), why))
            taken = taken | pairs_of(found[-1:])
            left -= len(picked)
        return found
