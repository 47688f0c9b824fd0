"""Derives designs, hard pairs and block pairs from the annotated pairs.

A *usable* pair is not marked `low`. A *design* is a connected component of the positive usable
pairs. *Hard pairs* are the usable pairs; *block pairs* are all pairs of products that occur in a
usable pair and share a block (brand, gender, article_type), positive if of one design, without the
pairs marked `low`, and without those that nobody has looked at: people who annotate a shop compare
all products of a block that they name, while pairs with an origin were picked one by one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ml.data.blocks import block_numbers

# The origins of a pair: it was annotated because a grouping was wrong, or because a model was
# unsure of it, or it was drawn without looking at any trained model.
CORRECTION, SUGGESTED, SAMPLED = "correction", "suggested", "sampled"
SELECTED = (CORRECTION, SUGGESTED)  # by what a trained model makes of them


@dataclass(frozen=True)
class PairSet:
    """Pairs of annotated products.

    Attributes:
        left, right: int (pairs,), positions among the annotated products.
        label: bool (pairs,), true if both products are of one design.
    """

    left: np.ndarray
    right: np.ndarray
    label: np.ndarray

    def __len__(self) -> int:
        return len(self.label)


@dataclass(frozen=True)
class Annotations:
    """The annotated products of a table, with their designs, blocks and pairs.

    Attributes:
        indices: int (products,), the position of each annotated product in the table, and so in
            the table's embeddings.
        design: int (products,), numbered from 0.
        block: int (products,), numbered from 0.
        hard, block_pairs: see the module.
        usable: number of usable pairs.
    """

    indices: np.ndarray
    design: np.ndarray
    block: np.ndarray
    hard: PairSet
    block_pairs: PairSet
    usable: int

    @property
    def complete(self) -> bool:
        """Whether hard and block pairs both hold positives and negatives; every metric needs it."""
        return all(0 < pairs.label.sum() < len(pairs) for pairs in (self.hard, self.block_pairs))


def build_annotations(products: pd.DataFrame, pairs: pd.DataFrame) -> Annotations:
    """Derives the annotations of the products of a table, such as one split.

    Args:
        products: product_id, brand, gender, article_type; the order matters, the index does not.
        pairs: left, right, color_variants, and optionally confidence. Pairs with a product outside
            the table are left out, and so is a pair that is listed before, also if mirrored.
    """
    where = pd.Series(np.arange(len(products)), index=products["product_id"].to_numpy())
    pairs = pairs[pairs["left"].isin(where.index) & pairs["right"].isin(where.index)]
    low = (
        (pairs["confidence"] == "low").fillna(False).astype(bool)
        if "confidence" in pairs
        else pd.Series(False, pairs.index)
    )
    usable, doubtful = pairs[~low], pairs[low]
    usable = usable[~repeated(usable)]
    indices = np.unique(np.concatenate([where[usable["left"]], where[usable["right"]]]).astype(int))
    place = np.full(len(products), -1)
    place[indices] = np.arange(len(indices))

    def ends(of: pd.DataFrame) -> list[np.ndarray]:
        return [place[where[of[side]].to_numpy(int)] for side in ("left", "right")]

    left, right = ends(usable)
    label = usable["color_variants"].to_numpy(int) == 1
    design = components(len(indices), left[label], right[label])
    block = block_numbers(products.iloc[indices])
    first, second = pairs_within(block, zip(*ends(doubtful), strict=True))
    if "origin" in usable:
        compared = np.zeros(len(indices), bool)
        compared[np.stack([left, right])[:, usable["origin"].isna().to_numpy()]] = True
        known = compared[first] & compared[second]
        known |= _decided(design, left[~label], right[~label], first, second)
        first, second = first[known], second[known]
    return Annotations(
        indices=indices,
        design=design,
        block=block,
        hard=PairSet(left, right, label),
        block_pairs=PairSet(first, second, design[first] == design[second]),
        usable=len(usable),
    )


def _decided(
    design: np.ndarray, left: np.ndarray, right: np.ndarray, first: np.ndarray, second: np.ndarray
) -> np.ndarray:
    """Returns which pairs (first, second) follow from designs, and from pairs that differ."""

    def keys(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        return np.minimum(one, other) * len(design) + np.maximum(one, other)

    differ = keys(design[left], design[right])
    ends = design[first], design[second]
    return (ends[0] == ends[1]) | np.isin(keys(*ends), differ)


def without_selected(pairs: pd.DataFrame) -> pd.DataFrame:
    """Returns the pairs that were not selected by what a model makes of them.

    A correction picks the mistakes of the model that served, and a suggestion what it was unsure
    of. Models that are compared on such pairs are not compared fairly: that one is bound to lose.

    Args:
        pairs: optionally with the column origin.
    """
    return pairs[~pairs["origin"].isin(SELECTED)] if "origin" in pairs else pairs


def repeated(pairs: pd.DataFrame) -> pd.Series:
    """Returns whether each pair (left, right) is listed before, also if mirrored."""
    ends = np.sort(pairs[["left", "right"]].fillna("").to_numpy(str), axis=1)
    return pd.DataFrame(ends, index=pairs.index).duplicated()


def components(count: int, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Numbers the connected components of a graph.

    Args:
        count: number of nodes.
        left, right: int (edges,), the two nodes of each edge.

    Returns:
        int (count,), the component of each node, numbered from 0.
    """
    graph = coo_array((np.ones(len(left)), (left, right)), shape=(count, count))
    return connected_components(graph, directed=False)[1]


def pairs_within(
    block: np.ndarray, excluded: Iterable[Sequence[int]] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the pairs of positions that share a block, in a stable order.

    Args:
        block: int (products,).
        excluded: pairs of positions that are left out, either end first.

    Returns:
        int (pairs,) and int (pairs,): the two ends of each pair.
    """
    lefts, rights = [np.zeros(0, int)], [np.zeros(0, int)]
    for value in np.unique(block):
        members = np.flatnonzero(block == value)
        first, second = np.triu_indices(len(members), k=1)
        lefts.append(members[first])
        rights.append(members[second])
    left, right = np.concatenate(lefts), np.concatenate(rights)
    without = {frozenset(pair) for pair in excluded}
    kept = [frozenset(pair) not in without for pair in zip(left, right, strict=True)]
    return left[np.array(kept, bool)], right[np.array(kept, bool)]


def pair_keys(pairs: pd.DataFrame) -> pd.Series:
    """Returns a key of each pair (left, right): the same for a mirrored pair."""
    ends = np.sort(pairs[["left", "right"]].to_numpy(str), axis=1)
    return pd.Series(["\x1f".join(one) for one in ends], index=pairs.index, dtype=object)
