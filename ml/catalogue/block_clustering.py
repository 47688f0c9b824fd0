"""Clusters one block of a catalogue: earlier groups resist change, and corrections hold.

Two rules change what the distances say. *Hysteresis*: two products of one earlier group are nearer
by a margin, two of different earlier groups farther, so that a group changes only if the evidence
exceeds the margin. *Constraints*: must-link and cannot-link pairs (Wagstaff et al. 2001), closed
transitively.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.sparse import coo_array, csr_array

from ml.catalogue.cells import visits
from ml.catalogue.large_linkage import large_linkage
from ml.catalogue.mutual_links import mutual_links
from ml.catalogue.near_pairs import Points, near_components
from ml.data.annotations import components
from ml.grouping.correlation import contract_greedily
from ml.grouping.grouping import CLUSTERINGS, ClusteringName, Grouping, distances
from ml.grouping.hierarchical import NEIGHBOURS, TIE

NEWCOMER = -1  # the earlier group of a product that had none
LARGE = 2_000  # products: up to here the matrix of distances is quickest; it takes 32 MB
APART = 1e12  # the distance of products that may not be together, beyond every mean with it


class Held(NamedTuple):
    """What holds in a block beside the distances.

    Attributes:
        earlier: int (products,), group in the version before, or `NEWCOMER`.
        margin: by how much distances within earlier groups shrink and between them grow, ≥ 0.
        same: int (any, 2), positions of products that must be together.
        different: int (any, 2), positions of products that must not be.
    """

    earlier: np.ndarray
    margin: float
    same: np.ndarray
    different: np.ndarray

    @classmethod
    def nothing(cls, products: int) -> "Held":
        """Returns what leaves the distances of so many products as they are."""
        none = np.zeros((0, 2), dtype=int)
        return cls(np.full(products, NEWCOMER), 0.0, none, none)


def cluster_block(
    embeddings: np.ndarray, clustering: ClusteringName, threshold: float, held: Held | None = None
) -> np.ndarray:
    """Groups the products of one block at a threshold.

    Without `held` these are the groups of `ml.grouping.grouping.Grouping`. Blocks of more than
    `LARGE` products are clustered without the matrix of their distances, in memory that grows with
    products only. The groups are the same, with one exception: a connected component of more than
    `LARGE` products is too large for correlation clustering. It is clustered by average linkage at
    the same threshold, and a warning says so. Blocks of more than `ml.catalogue.cells.EXACT`
    products are compared approximately, and a note states the recall.

    Args:
        embeddings: float32 (products, size), relative to the block, each of length 1.
        clustering: a `ClusteringName`.
        threshold: cosine distance (1 − cosine).
        held: the groups of the version before, and corrections.

    Returns:
        int (products,), groups numbered from 0 by first member.

    Raises:
        ValueError: `held` wants two products both together and apart.
    """
    if len(embeddings) > LARGE:
        held = held or Held.nothing(len(embeddings))
        return number_by_first(_large(embeddings, clustering, threshold, held))
    if held is None or not len(embeddings):
        return Grouping(embeddings, np.zeros(len(embeddings), int), clustering).cut(threshold)
    atom = atoms(len(embeddings), held)
    everyone = np.arange(len(embeddings))
    distance = distances(embeddings, everyone) + shift(held.earlier, held.earlier, held.margin)
    if clustering == "mutual":
        labels = _mutual(distance, atom, threshold, held.different)
    elif clustering == "correlation":
        labels = _correlation(distance, atom, threshold, held.different)
    else:
        labels = _linkage(distance, atom, threshold, held, clustering)
    return number_by_first(labels)


def number_by_first(labels: np.ndarray) -> np.ndarray:
    """Numbers groups from 0 by their first members: int (products,)."""
    return np.asarray(pd.factorize(labels)[0], dtype=int)


def atoms(products: int, held: Held) -> np.ndarray:
    """Joins the products that must be together: int (products,), atoms from 0.

    Raises:
        ValueError: two products of one atom must not be together.
    """
    atom = number_by_first(components(products, *held.same.T))
    broken = held.different[atom[held.different[:, 0]] == atom[held.different[:, 1]]]
    if len(broken):
        pairs = ", ".join(f"{left} and {right}" for left, right in broken[:5].tolist())
        raise ValueError(f"these positions must be both together and apart: {pairs}")
    return atom


def shift(earlier: np.ndarray, others: np.ndarray, margin: float) -> np.ndarray:
    """Computes what hysteresis adds to the distances of all pairs.

    Args:
        earlier, others: int (any,) and int (more,), earlier groups.
        margin: as of `Held`.

    Returns:
        float (any, more): −margin within an earlier group, +margin between two, 0 with a newcomer.
    """
    known = np.outer(earlier != NEWCOMER, others != NEWCOMER)
    return margin * known * np.where(np.equal.outer(earlier, others), -1.0, 1.0)


def _large(
    embeddings: np.ndarray, clustering: ClusteringName, threshold: float, held: Held
) -> np.ndarray:
    atom, points = atoms(len(embeddings), held), _points(embeddings, held)
    if clustering == "mutual":
        return _large_mutual(points, atom, threshold, held)
    if clustering == "correlation":
        return _large_correlation(points, atom, threshold, held)
    begin = _equal(points, atom, held)
    return large_linkage(points, begin, held.different, threshold, clustering == "complete")


def _points(embeddings: np.ndarray, held: Held) -> Points:
    known = np.flatnonzero(held.earlier != NEWCOMER)
    group = number_by_first(held.earlier[known])
    shape = (len(embeddings), int(group.max(initial=0)) + 1)
    earlier = csr_array((np.ones(len(known), np.float32), (known, group)), shape)
    share = (held.earlier != NEWCOMER).astype(np.float32)
    return Points(np.asarray(embeddings, np.float32), share, earlier, held.margin)


def _equal(points: Points, atom: np.ndarray, held: Held) -> np.ndarray:
    """Joins atoms of one product with equal embeddings, which merge before all others.

    A shop may show one placeholder for thousands of products, which are millions of pairs.
    """
    free = np.bincount(atom)[atom] == 1
    free[held.different.ravel()] = False
    free &= points.vectors.any(axis=1)  # an embedding of zeros is not near its equal
    start = pd.DataFrame(points.vectors[:, :4]).assign(earlier=held.earlier)
    free[free] = start[free].duplicated(keep=False)  # so that few rows are copied
    rows = np.column_stack([points.vectors[free], held.earlier[free].astype(np.float32)])
    keys = np.ascontiguousarray(rows).view(f"V{rows.strides[0]}").ravel()
    _, first, which = np.unique(keys, return_index=True, return_inverse=True)
    label = atom.copy()
    label[free] = atom[free][first][which]
    return number_by_first(label)


def _large_mutual(points: Points, atom: np.ndarray, threshold: float, held: Held) -> np.ndarray:
    """Clusters as `_mutual` does; of equal products, more than fill a reach change nothing."""
    equal = _equal(points, atom, held)
    order = np.argsort(equal, kind="stable")
    size = np.bincount(equal)
    rank = np.empty(len(equal), dtype=int)
    rank[order] = np.arange(len(equal)) - (np.cumsum(size) - size)[equal[order]]
    kept = np.flatnonzero((rank <= NEIGHBOURS) | (np.bincount(atom)[atom] > 1))
    links = kept[mutual_links(points.take(kept), threshold)]
    group = join_in_order(atom, links, held.different)
    _, first = np.unique(equal, return_index=True)
    copy = rank > NEIGHBOURS
    copy[kept] = False
    group[copy] = group[first[equal[copy]]]
    return group


def _large_correlation(
    points: Points, atom: np.ndarray, threshold: float, held: Held
) -> np.ndarray:
    component = near_components(visits(points, threshold)(), atom, threshold)
    label, place = np.zeros((2, len(atom)), dtype=int)
    inside = component[held.different[:, 0]] == component[held.different[:, 1]]
    different = held.different[inside]
    ends = np.cumsum(np.bincount(component))[:-1]
    for members in np.split(np.argsort(component, kind="stable"), ends):
        if len(members) == 1:
            continue
        place[members] = np.arange(len(members))
        apart = place[different[component[different[:, 0]] == component[members[0]]]]
        own = number_by_first(atom[members])
        if len(members) > LARGE:
            print(
                f"warning: {len(members):,} products hang together, which is too many for "
                "correlation clustering: average linkage groups them at the same threshold",
                flush=True,
            )
            label[members] = large_linkage(points.take(members), own, apart, threshold, False)
        else:
            earlier = held.earlier[members]
            distance = distances(points.vectors, members) + shift(earlier, earlier, held.margin)
            label[members] = _correlation(distance, own, threshold, apart)
    return component * len(atom) + label


def _linkage(
    distance: np.ndarray,
    atom: np.ndarray,
    threshold: float,
    held: Held,
    clustering: ClusteringName,
) -> np.ndarray:
    """Clusters by average or complete linkage; pairs of one atom merge before all others."""
    up = 1 + held.margin  # scipy cuts no dendrogram with heights below 0
    distance = distance + up
    distance[np.equal.outer(atom, atom)] = 0
    left, right = held.different.T
    distance[left, right] = distance[right, left] = APART
    return CLUSTERINGS[clustering](distance).cut(threshold + up)


def _mutual(
    distance: np.ndarray, atom: np.ndarray, threshold: float, different: np.ndarray
) -> np.ndarray:
    """Clusters as `ml.grouping.hierarchical.mutual` does; the nearest links come first."""
    np.fill_diagonal(distance, -np.inf)  # the product itself is the first
    last = min(NEIGHBOURS, len(distance) - 1)
    reach = np.partition(distance, last, axis=1)[:, last] + TIE
    near = (distance <= reach[:, None]) & (distance <= threshold)
    left, right = np.nonzero(np.triu(near & near.T, 1))
    order = np.argsort(distance[left, right], kind="stable")
    return join_in_order(atom, np.stack([left, right], axis=1)[order], different)


def join_in_order(atom: np.ndarray, links: np.ndarray, different: np.ndarray) -> np.ndarray:
    """Joins linked products one link after the other, unless they must not be together.

    Args:
        atom: int (products,), from 0.
        links: int (links, 2), the first ones first.
        different: int (any, 2), positions of products that must not be together.

    Returns:
        int (products,), the groups.
    """
    group = np.arange(int(atom.max(initial=-1)) + 1).tolist()
    enemies: list[set[int]] = [set() for _ in group]
    for left, right in atom[different].tolist():
        enemies[left].add(right)
        enemies[right].add(left)

    def root(one: int) -> int:
        while group[one] != one:
            group[one] = one = group[group[one]]
        return one

    for left, right in atom[links].tolist():
        kept, gone = root(left), root(right)
        if len(enemies[kept]) < len(enemies[gone]):
            kept, gone = gone, kept
        if kept != gone and gone not in enemies[kept]:
            group[gone] = kept
            for enemy in enemies[gone]:
                enemies[enemy].remove(gone)
                enemies[enemy].add(kept)
            enemies[kept] |= enemies[gone]
    return np.array([root(one) for one in range(len(group))], dtype=int)[atom]


def _correlation(
    distance: np.ndarray, atom: np.ndarray, threshold: float, different: np.ndarray
) -> np.ndarray:
    """Clusters as `ml.grouping.correlation` does, from the atoms on."""
    members = coo_array((np.ones(len(atom)), (np.arange(len(atom)), atom))).tocsr()
    weight = members.T @ (members.T @ (threshold - distance)).T
    left, right = atom[different].T
    weight[left, right] = weight[right, left] = -np.inf
    return contract_greedily(weight)[atom]
