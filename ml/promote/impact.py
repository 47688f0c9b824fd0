"""What another grouping would change: groups kept, merged and split, products that move.

The share of products that move is the partition distance (Gusfield, "Partition-distance: a problem
and class of perfect graphs arising in clustering", Information Processing Letters 82, 2002): each
group before hands its name to at most one group after, so that as many products as possible stay
under their name. The others move. A product that joins a group moves alone, and not the group.
"""

import hashlib
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ml.data.annotations import components
from ml.data.blocks import block_numbers
from ml.data.matching import carry_over
from ml.data.schema import BLOCK


@dataclass(frozen=True)
class Counts:
    """What changes, in numbers. A group has two products or more here; others are alone.

    Attributes:
        products: of both groupings.
        kept: number of groups whose products are those of one group before.
        merged: number of groups after that hold products of several groups before.
        split: number of groups before whose products are in several groups after.
        joined: number of products that were alone and are in a group.
        left: number of products that were in a group and are alone.
        moved: number of products that move.
    """

    products: int = 0
    kept: int = 0
    merged: int = 0
    split: int = 0
    joined: int = 0
    left: int = 0
    moved: int = 0

    @property
    def share(self) -> float:
        """The share of products that move; 0 if there are no products."""
        return self.moved / self.products if self.products else 0.0


class Change(NamedTuple):
    """Groups that have products in common, as they were and as they would be.

    Attributes:
        before, after: positions of products, group by group, the largest group first.
        moved: number of products that move.
    """

    before: list[list[int]]
    after: list[list[int]]
    moved: int


class Violation(NamedTuple):
    """A correction that only the grouping after would violate.

    Attributes:
        left, right: product ids.
        same: whether people said that they are variants of each other.
    """

    left: str
    right: str
    same: bool


@dataclass(frozen=True)
class Impact:
    """What a grouping would change in a catalogue.

    Attributes:
        counts: of all products.
        article_types: name → counts, in the order of names.
        changes: the one that moves most products first, then the one of most products, then by
            product id.
        violations: sorted by ids.
    """

    counts: Counts
    article_types: dict[str, Counts]
    changes: tuple[Change, ...]
    violations: tuple[Violation, ...]


@dataclass(frozen=True)
class ImpactSummary(Counts):
    """What the gate's decision keeps of an impact.

    Attributes:
        catalogue: which products were grouped, in words.
        left_out: number of products of the catalogue that were not, for lack of their picture or
            because the sample is smaller.
        violations: number of corrections that only the challenger would violate.
        at_once: number of products that the next grouping would move, with its memory and the
            corrections; None if the products were never grouped.
    """

    catalogue: str = ""
    left_out: int = 0
    violations: int = 0
    at_once: int | None = None


def summary(
    impact: Impact, catalogue: str, left_out: int, at_once: int | None = None
) -> ImpactSummary:
    """Returns what the gate's decision keeps; the arguments are those of `ImpactSummary`."""
    counts = asdict(impact.counts)
    return ImpactSummary(
        **counts,
        catalogue=catalogue,
        left_out=left_out,
        violations=len(impact.violations),
        at_once=at_once,
    )


def measure_impact(
    products: pd.DataFrame,
    before: np.ndarray,
    after: np.ndarray,
    corrections: pd.DataFrame | None = None,
) -> Impact:
    """Compares two groupings of the same products; the order of products changes nothing.

    Args:
        products: product_id (each once), article_type.
        before, after: (products,), anything that names the group of each product.
        corrections: left, right (product ids), same (1 or 0); those of other products are passed
            over. None: there are none.
    """
    ids = products["product_id"].astype(str).to_numpy(dtype=object)
    order = np.argsort(ids, kind="stable")
    old, new = (pd.factorize(np.asarray(one)[order])[0] for one in (before, after))
    types = products["article_type"].to_numpy(dtype=object)[order]
    stays, part = _stays(old, new)
    changes = _changes(old, new, stays, part, order)
    return Impact(
        _count(old, new, stays),
        {str(name): _count(old, new, stays, types == name) for name in sorted(set(types), key=str)},
        tuple(changes),
        _violations(ids[order], old, new, corrections),
    )


def sample_blocks(products: pd.DataFrame, most: int) -> np.ndarray:
    """Chooses whole blocks at random, but always the same ones.

    Blocks come in the order of the SHA-256 of their names, so that one decision's sample is that of
    the next. A block that is larger than what is left is passed over.

    Args:
        products: brand, gender, article_type.
        most: number of products, at most.

    Returns:
        int (any,), increasing positions.
    """
    block = block_numbers(products)
    first = np.unique(block, return_index=True)[1]
    names = products.iloc[first][BLOCK].astype(str).itertuples(index=False)
    digests = [hashlib.sha256("\x1f".join(one).encode()).digest() for one in names]
    size, room, chosen = np.bincount(block), most, []
    for number in sorted(range(len(first)), key=digests.__getitem__):
        if size[number] <= room:
            room -= int(size[number])
            chosen.append(number)
    return np.flatnonzero(np.isin(block, chosen))


def to_json(impact: Impact, ids: list[str], shown: int) -> dict[str, Any]:
    """Returns an impact for programs, with the ids of the products.

    Args:
        ids: of all products, by position.
        shown: number of changes, at most.
    """

    def counted(counts: Counts) -> dict[str, Any]:
        return asdict(counts) | {"share": counts.share}

    def named(groups: list[list[int]]) -> list[list[str]]:
        return [[ids[place] for place in group] for group in groups]

    return {
        **counted(impact.counts),
        "article_types": {name: counted(one) for name, one in impact.article_types.items()},
        "changes": [
            {"before": named(one.before), "after": named(one.after), "moved": one.moved}
            for one in impact.changes[:shown]
        ],
        "violations": [one._asdict() for one in impact.violations],
    }


def _stays(old: np.ndarray, new: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Assigns groups so that most products stay.

    Returns:
        bool (products,), whether a product stays; int (products,), number of the connected
        component of groups that have products in common.
    """
    if not len(old):
        return np.zeros(0, bool), np.zeros(0, int)
    olds, news = int(old.max()) + 1, int(new.max()) + 1
    came_from = carry_over(new, old, np.arange(olds))
    return came_from[new] == old, components(olds + news, old, olds + new)[old]


def _members(number: np.ndarray) -> list[np.ndarray]:
    """Returns the increasing positions of each number from 0 to the highest."""
    order = np.argsort(number, kind="stable")
    return np.split(order, np.cumsum(np.bincount(number))[:-1]) if len(number) else []


def _count(
    old: np.ndarray, new: np.ndarray, stays: np.ndarray, chosen: np.ndarray | None = None
) -> Counts:
    if chosen is not None:
        old, new = (pd.factorize(one[chosen])[0] for one in (old, new))
        stays = stays[chosen]
    if not len(old):
        return Counts()
    alone_old, alone_new = np.bincount(old)[old] == 1, np.bincount(new)[new] == 1
    both = ~alone_old & ~alone_new
    links = pd.DataFrame({"old": old[both], "new": new[both]}).drop_duplicates()
    shared = pd.DataFrame({"old": old, "new": new}).value_counts()
    same = [
        shared.to_numpy() == np.bincount(side)[shared.index.get_level_values(name)]
        for name, side in (("old", old), ("new", new))
    ]
    return Counts(
        products=len(old),
        kept=int((same[0] & same[1] & (shared.to_numpy() > 1)).sum()),
        merged=int((links["new"].value_counts() > 1).sum()),
        split=int((links["old"].value_counts() > 1).sum()),
        joined=int((alone_old & ~alone_new).sum()),
        left=int((~alone_old & alone_new).sum()),
        moved=int((~stays).sum()),
    )


def _changes(
    old: np.ndarray, new: np.ndarray, stays: np.ndarray, part: np.ndarray, order: np.ndarray
) -> list[Change]:
    found = []
    for places in _members(part):
        moved = int((~stays[places]).sum())
        if moved:
            before, after = (_groups(side[places], order[places]) for side in (old, new))
            found.append((-moved, -len(places), places[0], Change(before, after, moved)))
    return [one[-1] for one in sorted(found, key=lambda one: one[:3])]


def _groups(number: np.ndarray, names: np.ndarray) -> list[list[int]]:
    """Returns the names of the members of each group, the largest group first."""
    groups = _members(pd.factorize(number)[0])
    return [names[one].tolist() for one in sorted(groups, key=lambda one: (-len(one), one[0]))]


def _violations(
    ids: np.ndarray, old: np.ndarray, new: np.ndarray, corrections: pd.DataFrame | None
) -> tuple[Violation, ...]:
    if corrections is None or not len(corrections):
        return ()
    index = pd.Index(ids)
    left, right = (index.get_indexer(corrections[one].astype(str)) for one in ("left", "right"))
    same = corrections["same"].astype(int).to_numpy() == 1
    there = (left >= 0) & (right >= 0)
    wrong = ((new[left] == new[right]) != same) & ((old[left] == old[right]) == same) & there
    return tuple(
        sorted(
            Violation(str(ids[left[one]]), str(ids[right[one]]), bool(same[one]))
            for one in np.flatnonzero(wrong)
        )
    )
