"""Finds corrections that cannot all hold, and the shortest chain that shows it."""

from itertools import pairwise

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order

from ml.catalogue.corrections import said_by
from ml.core.errors import UserError
from ml.data.annotations import components

SHOWN = 10  # contradictions that one message names


def refuse_contradictions(corrections: pd.DataFrame, locks: pd.DataFrame) -> None:
    """Refuses corrections that contradict each other or a locked group.

    Products are of one design if a chain of corrections says so. A locked group is such a chain
    too, and a product outside of it is of another design.

    Args:
        corrections: the newest word about each pair, see `ml.catalogue.corrections.standing`; the
            column `said` tells in words who said a pair, by default it is by and when.
        locks: products that are locked, see `ml.catalogue.locks.standing_locks`.

    Raises:
        UserError: it holds the shortest chain of each contradiction.
    """
    found = _against_locks(corrections, locks) or _against_chains(corrections, locks)
    if found:
        more = f"\n  and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise UserError(
            "these corrections cannot all hold:\n  " + "\n  ".join(found[:SHOWN]) + more + "\n"
            "    → one of each chain is wrong: say the right word about that pair with `variants "
            "groups same` or `different`, or unlock the group; the newest word counts"
        )


def _against_locks(corrections: pd.DataFrame, locks: pd.DataFrame) -> list[str]:
    """Describes the pairs that would bring a product into a locked group."""
    group = dict(zip(locks["product_id"], locks["group"], strict=True))
    first = locks.drop_duplicates("group").set_index("group")
    found = []
    for _, row in corrections[corrections["same"]].iterrows():
        sides = [group.get(row["left"]), group.get(row["right"])]
        if sides[0] != sides[1]:
            name = sides[0] if sides[0] is not None else sides[1]
            outside = row["right"] if sides[0] is not None else row["left"]
            found.append(
                f"group {name} is locked without {outside} ({said_by(first.loc[name])}), but "
                f"{row['left']} = {row['right']} ({_said(row)})"
            )
    return found


def _against_chains(corrections: pd.DataFrame, locks: pd.DataFrame) -> list[str]:
    """Describes the pairs that are different although a chain joins their products."""
    same = corrections[corrections["same"]]
    links = pd.concat([_described(same), _lock_links(locks)], ignore_index=True)
    apart = _described(corrections[~corrections["same"]])
    names = pd.Index(pd.unique(pd.concat([links, apart])[["left", "right"]].to_numpy().ravel()))
    left, right = names.get_indexer(links["left"]), names.get_indexer(links["right"])
    design = components(len(names), left, right)
    ends = [names.get_indexer(apart[side]) for side in ("left", "right")]
    against = np.flatnonzero(design[ends[0]] == design[ends[1]])
    if not len(against):
        return []
    graph = coo_array((np.ones(len(left)), (left, right)), shape=(len(names),) * 2).tocsr()
    words = {
        frozenset(pair): said
        for pair, said in zip(zip(left, right, strict=True), links["said"], strict=True)
    }
    found = []
    for place in against[: SHOWN + 1]:
        start, end, row = ends[0][place], ends[1][place], apart.iloc[place]
        before = breadth_first_order(graph, start, directed=False)[1]
        path = [end]
        while path[-1] != start:
            path.append(int(before[path[-1]]))
        path.reverse()
        chain = ", ".join(
            f"{names[one]} = {names[two]} ({words[frozenset((one, two))]})"
            for one, two in pairwise(path)
        )
        found.append(f"{chain}, but {row['left']} ≠ {row['right']} ({row['said']})")
    return found + ["…"] * (len(against) - len(found))


def _described(corrections: pd.DataFrame) -> pd.DataFrame:
    said = [_said(row) for _, row in corrections.iterrows()]
    return corrections[["left", "right"]].assign(said=pd.Series(said, corrections.index, object))


def _said(row: pd.Series) -> str:
    return str(row["said"]) if isinstance(row.get("said"), str) else said_by(row)


def _lock_links(locks: pd.DataFrame) -> pd.DataFrame:
    """Pairs that join each locked group: its first product with each other one."""
    first = locks.groupby("group", sort=False)["product_id"].transform("first")
    said = [f"locked in group {row['group']}: {said_by(row)}" for _, row in locks.iterrows()]
    links = pd.DataFrame({"left": first, "right": locks["product_id"], "said": said}, dtype=object)
    return links[links["left"] != links["right"]]
