"""Corrections and locks of a catalogue, as constraints of its clustering."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ml.catalogue.contradictions import refuse_contradictions
from ml.catalogue.corrections import standing
from ml.catalogue.locks import standing_locks
from ml.data.annotations import components


@dataclass(frozen=True)
class Constraints:
    """What the groups of a catalogue must keep. Positions are those of its products.

    Attributes:
        same: int (any, 2), pairs of one block that must be together. They join all products that
            corrections join, also by a chain through products that the catalogue no longer has. The
            left one is readable if any of the joined products is.
        different: int (any, 2), pairs of one block that must not be together.
        locked: name of each locked group → int (members,), its members that the catalogue has. No
            pair of `same` and `different` names one of them: whoever clusters leaves them out.
        said: int (any, 3): left, right and 1 or 0, of each standing correction whose products are
            both there and of one block.
        gone: the standing corrections of which the catalogue lacks a product. They count in chains,
            and hold again when the product comes back.
        apart: the standing corrections that join products of two blocks. They cannot hold: products
            of two blocks are never compared.
        block: int (products,), the block of each product.
    """

    same: np.ndarray
    different: np.ndarray
    locked: dict[str, np.ndarray]
    said: np.ndarray
    gone: pd.DataFrame
    apart: pd.DataFrame
    block: np.ndarray


def constraints(
    corrections: pd.DataFrame,
    locks: pd.DataFrame,
    product_ids: Sequence[str],
    block: np.ndarray,
    readable: np.ndarray | None = None,
) -> Constraints:
    """Turns corrections and locks into constraints of a catalogue's clustering.

    Args:
        corrections: see `ml.catalogue.corrections.check_corrections`.
        locks: see `ml.catalogue.locks.check_locks`.
        product_ids: of the catalogue's products, each once.
        block: int (products,), the block of each product, from 0.
        readable: bool (products,), whether the picture of a product can be read; by default all.

    Raises:
        UserError: they contradict each other; see `refuse_contradictions`.
    """
    newest, held = standing(corrections), standing_locks(locks)
    refuse_contradictions(newest, held)
    index, block = pd.Index(product_ids), np.asarray(block)
    names = pd.Index(pd.unique(newest[["left", "right"]].to_numpy(object).ravel()))
    ends = np.stack([names.get_indexer(newest[side]) for side in ("left", "right")], axis=1)
    same = newest["same"].to_numpy(bool)
    design = components(len(names), ends[same, 0], ends[same, 1])
    place = index.get_indexer(names)
    at = place[ends].reshape(-1, 2)
    gone = (at < 0).any(axis=1)
    two_blocks = ~gone & (block[at[:, 0]] != block[at[:, 1]])
    here = ~gone & ~two_blocks
    locked = {
        str(name): members[members >= 0]
        for name, rows in held.groupby("group", sort=True)["product_id"]
        if ((members := index.get_indexer(pd.Index(rows))) >= 0).any()
    }
    free = np.setdiff1d(place[place >= 0], np.concatenate([np.zeros(0, int), *locked.values()]))
    if readable is not None:
        free = free[np.argsort(~readable[free], kind="stable")]  # no clustering sees the others
    design_at = dict(zip(place.tolist(), design.tolist(), strict=True))
    # One product stands for all that a design has in a block.
    first: dict[tuple[int, int], int] = {}
    together = []
    for one in free.tolist():
        leader = first.setdefault((design_at[one], int(block[one])), one)
        if leader != one:
            together.append((leader, one))
    blocks_of: dict[int, dict[int, int]] = {}
    for (of, number), leader in first.items():
        blocks_of.setdefault(of, {})[number] = leader
    never = {
        (min(mine, theirs), max(mine, theirs))
        for one, two in design[ends[~same]].tolist()
        for number, mine in blocks_of.get(one, {}).items()
        if (theirs := blocks_of.get(two, {}).get(number)) is not None
    }
    return Constraints(
        same=np.array(together, dtype=int).reshape(-1, 2),
        different=np.array(sorted(never), dtype=int).reshape(-1, 2),
        locked=locked,
        said=np.column_stack([at[here], same[here]]).astype(int).reshape(-1, 3),
        gone=newest[gone].reset_index(drop=True),
        apart=newest[two_blocks & same].reset_index(drop=True),
        block=block,
    )


def overruled(labels: np.ndarray, held: Constraints) -> int:
    """Counts the corrections and locked groups that a model by itself would not keep.

    Args:
        labels: int (products,), the group of each product, as the model's clustering alone gives
            it: without constraints, and without the groups of the version before.
        held: the constraints of these products.
    """
    left, right, same = held.said.T
    pairs = int(((labels[left] == labels[right]) != (same == 1)).sum())
    size = np.bincount(labels) if len(labels) else np.zeros(0, int)
    broken = sum(
        not (labels[members] == labels[members[0]]).all() or size[labels[members[0]]] > len(members)
        for members in held.locked.values()
    )
    return pairs + int(broken)
