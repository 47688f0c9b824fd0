"""Matches the groups of two groupings of the same products, so that most products stay."""

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array

from ml.data.annotations import components


def carry_over(label: np.ndarray, earlier: np.ndarray, age: np.ndarray) -> np.ndarray:
    """Finds which earlier group each new one continues, so that most products keep their id.

    It is an optimal assignment (Kuhn 1955) on shared products. So of groups that merge, the one
    with most of the members continues, then the oldest; of a split, the part with most members.

    Args:
        label: int (products,), the new groups, from 0 by first product.
        earlier: int (products,), the earlier groups, from 0; −1 for a product that was in none.
        age: int (earlier groups,), all different; of equal candidates the lowest continues.

    Returns:
        int (groups,): the earlier group that a new one continues, or −1; none comes twice.
    """
    groups, olds = int(label.max(initial=-1)) + 1, len(age)
    carried = np.full(groups, -1)
    known = earlier >= 0
    shared = coo_array(
        (np.ones(int(known.sum()), int), (label[known], earlier[known])), shape=(groups, olds)
    )
    shared.sum_duplicates()
    new, old = shared.coords
    part = components(groups + olds, new, groups + old)
    links = np.bincount(part[new], minlength=part.max(initial=0) + 1)[part[new]]
    alone = links == 1
    carried[new[alone]] = old[alone]
    order = np.flatnonzero(~alone)
    order = order[np.argsort(part[new[order]], kind="stable")]
    for links_of_one in np.split(order, np.flatnonzero(np.diff(part[new[order]])) + 1):
        if len(links_of_one):
            _assign(carried, new[links_of_one], old[links_of_one], shared.data[links_of_one], age)
    return carried


def _assign(
    carried: np.ndarray, new: np.ndarray, old: np.ndarray, shared: np.ndarray, age: np.ndarray
) -> None:
    """Solves one connected part, where groups have merged or split."""
    rows, row = np.unique(new, return_inverse=True)
    columns, column = np.unique(old, return_inverse=True)
    columns_by_age = np.argsort(np.argsort(age[columns]))
    # Ties: all bonuses together stay below one product; age counts before the order of groups.
    pairs = min(len(rows), len(columns)) + 1
    older = (1 - columns_by_age / len(columns)) / (2 * pairs)
    first = (1 - np.arange(len(rows)) / len(rows)) / (2 * pairs * len(columns) * pairs)
    gain = np.zeros((len(rows), len(columns)))
    gain[row, column] = shared + older[column] + first[row]
    for at, to in zip(*linear_sum_assignment(gain, maximize=True), strict=True):
        if gain[at, to] > 0:
            carried[rows[at]] = columns[to]
