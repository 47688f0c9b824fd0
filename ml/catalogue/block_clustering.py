"""Clusters one block of a catalogue: earlier groups resist change, and corrections hold.

Two rules change what the distances say. *Hysteresis*: two products of one earlier group are nearer
by a margin, two of different earlier groups farther, so that a group changes only if the evidence
exceeds the margin. *Constraints*: must-link and cannot-link pairs (Wagstaff et al. 2001), closed
transitively.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ml.grouping.correlation import contract_greedily
from ml.grouping.grouping import CLUSTERINGS, ClusteringName, Grouping, distances
from ml.grouping.hierarchical import NEIGHBOURS, TIE

NEWCOMER = -1  # the earlier group of a product that had none
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

    Without `held` these are the groups of `ml.grouping.grouping.Grouping`.

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
    links = coo_array((np.ones(len(held.same)), tuple(held.same.T)), (products, products))
    atom = number_by_first(connected_components(links, directed=False)[1])
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
