"""Corrections of a catalogue's groups: what a person says, checked before it is kept."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from flows.catalogue.corrections import (
    CORRECTIONS,
    LOCKS,
    append,
    correcting,
    read_corrections,
    read_locks,
)
from flows.catalogue.places import store_of
from flows.groups import find, find_number
from flows.local.project import Project
from flows.registry.people import refusal_of_name, shown
from ml.catalogue.constraints import Constraints, constraints
from ml.catalogue.contradictions import refuse_contradictions
from ml.catalogue.corrections import (
    WITHDRAWN,
    check_corrections,
    standing,
    states,
    unknown_products,
)
from ml.catalogue.locks import check_locks, standing_locks
from ml.catalogue.merge_split import Pair
from ml.catalogue.nearest_ids import nearest_ids
from ml.catalogue.versions import catalogues, load_table
from ml.core.errors import UserError
from ml.data.blocks import block_numbers
from ml.data.schema import BLOCK
from ml.snapshot.folding import fold
from ml.snapshot.pair_file import read_pair_file

SHOWN = 10  # unknown products that one message names


def say(
    project: Project, catalogue: str, left: str, right: str, same: bool, by: str, why: str
) -> dict[str, Any]:
    """Notes that two products are, or are not, of one design; the newest word counts.

    Returns:
        {"catalogue", "rows": number of new rows, "standing": number of pairs about which something
        is said now}.

    Raises:
        UserError: a product is unknown, both are of two blocks, or the word contradicts others.
    """
    return say_all(project, catalogue, [(left, right, same)], by, why)


def say_all(
    project: Project,
    catalogue: str,
    pairs: Sequence[Pair],
    by: str,
    why: str,
    keep: bool = True,
    check: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Notes several words at once, such as those that merge or split groups: all or none.

    Args:
        pairs: see `ml.catalogue.merge_split`; none: nothing needs to be said.
        keep: False checks whether they can be kept, and keeps nothing.
        check: called when nobody else can add a word any more; it raises UserError if what the
            words were said about has changed.

    Returns and raises as `say`.
    """
    rows = [
        {"left": fold(left), "right": fold(right), "same": str(int(same)), "why": fold(why)}
        for left, right, same in pairs
    ]
    if not rows:
        raise UserError("this is said already: nothing needs to be added")
    for row in rows:
        if row["left"] == row["right"]:
            raise UserError(f"'{row['left']}' is paired with itself: name two products")
    table = pd.DataFrame(rows, dtype=object)
    return _add(project, catalogue, table, "your correction", by, keep, check)


def withdraw(
    project: Project, catalogue: str, left: str, right: str, by: str, why: str
) -> dict[str, Any]:
    """Takes back what was said about two products: models decide about them again.

    Returns and raises as `say`; it raises, too, if nothing stands about the two.
    """
    row = {"left": fold(left), "right": fold(right), "same": WITHDRAWN, "why": fold(why)}
    return _add(project, catalogue, pd.DataFrame([row], dtype=object), "your word", by)


def correct(project: Project, catalogue: str, file: Path, by: str) -> dict[str, Any]:
    """Adds the corrections of a CSV or Parquet file: all rows or none.

    Args:
        file: left, right, same, and optionally by, when and why. Rows without a person or time are
            by `by`, now.

    Returns and raises as `say`.
    """
    table = read_pair_file(file)
    return _add(project, catalogue, table, file.name, by)


def lock(
    project: Project,
    catalogue: str,
    group: str,
    by: str,
    why: str,
    holds: bool = True,
    check: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Locks or unlocks a group: a locked group keeps exactly the members that it has now.

    Args:
        group: its id in the newest version.
        holds: True locks, False unlocks.
        check: as of `say_all`.

    Returns:
        {"catalogue", "group", "members": ids of its products, "locked": `holds`}.

    Raises:
        UserError: there is no such group, it is (not) locked already, or corrections stand against
            its members.
    """
    store = store_of(project)
    products = find(store, catalogue).products
    with correcting(project, store, catalogue):
        check()
        before = read_locks(store, catalogue)
        mine = standing_locks(before)
        mine = mine[mine["group"] == group]
        members = (
            products.loc[products["group"] == group, "product_id"].tolist()
            if holds
            else mine["product_id"].tolist()
        )
        if holds and len(mine):
            raise UserError(f"group {group} is locked already, by {mine['by'].iloc[0]}")
        if not members:
            reason = "no such group" if holds else "no such locked group"
            raise UserError(
                f"the catalogue '{catalogue}' has {reason} as '{group}': "
                f"{_groups_like(group, products) if holds else _locked(before)}"
            )
        rows = pd.DataFrame({"product_id": members}).assign(
            group=group,
            locked=str(int(holds)),
            by=by,
            when=datetime.now(UTC).isoformat(timespec="seconds"),
            why=fold(why),
        )
        rows = check_locks(rows, "your lock")
        both = standing_locks(pd.concat([before, rows], ignore_index=True))
        refuse_contradictions(standing(read_corrections(store, catalogue)), both)
        append(store, catalogue, LOCKS, rows)
    return {"catalogue": catalogue, "group": group, "members": members, "locked": holds}


def corrections_of(project: Project, catalogue: str) -> dict[str, Any]:
    """Returns what stands of a catalogue's corrections and locks.

    Returns:
        {"catalogue", "version": number of the newest version, "corrections": rows that stand, each
        with "state": "holds", "waits" (for the next `variants group`), "gone" (a product left the
        catalogue) or "apart" (its products are of two blocks), "history": number of older rows,
        "locks": {group: number of members}, "overruled": how many of them the model of the newest
        version alone would have decided otherwise, None if that was not measured}.

    Raises:
        UserError: there is no such catalogue, or its files cannot be read.
    """
    store = store_of(project)
    version = find(store, catalogue)
    said, locks = read_corrections(store, catalogue), read_locks(store, catalogue)
    held = _held(said, locks, version.products)
    newest, products = standing(said), version.products
    newest["state"] = states(
        newest,
        pd.Index(products["product_id"]),
        products["group"].to_numpy(object),
        block_numbers(products),
    )
    return {
        "catalogue": catalogue,
        "version": version.number,
        "corrections": newest.to_dict("records"),
        "history": len(said) - len(newest),
        "locks": {name: len(members) for name, members in held.locked.items()},
        "overruled": version.facts.get("overruled"),
    }


def _add(
    project: Project,
    catalogue: str,
    table: pd.DataFrame,
    name: str,
    by: str,
    keep: bool = True,
    check: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    store = store_of(project)
    number, columns = find_number(store, catalogue), ("product_id", *BLOCK)
    products = load_table(store, catalogue, number, "products", columns)
    rows = check_corrections(table, name, by)
    rows["by"] = [_person(one, name) for one in rows["by"]]
    with correcting(project, store, catalogue):
        check()
        before, locks = read_corrections(store, catalogue), read_locks(store, catalogue)
        # Words about a product that has left can be taken back, as they still hold others together.
        said = (before["left"], before["right"], locks["product_id"])
        _refuse_unknown(rows, pd.concat([products["product_id"], *said]), catalogue)
        _refuse_nothing_to_withdraw(before, rows)
        both = pd.concat([before, rows], ignore_index=True)
        named = pd.unique(pd.concat([both["left"], both["right"], locks["product_id"]]))
        about = products[products["product_id"].isin(named)]
        _refuse_apart(_held(both, locks, about), rows, about)
        if keep:
            append(store, catalogue, CORRECTIONS, rows)
    return {"catalogue": catalogue, "rows": len(rows), "standing": len(standing(both))}


def _person(named: str, name: str) -> str:
    """Returns the name of a person, without what nobody sees; it refuses what can be no name."""
    refusal = refusal_of_name(named)
    if refusal:
        raise UserError(f"{name}, column by: it {refusal}")
    return shown(named)


def _held(said: pd.DataFrame, locks: pd.DataFrame, products: pd.DataFrame) -> Constraints:
    return constraints(said, locks, products["product_id"].tolist(), block_numbers(products))


def _refuse_unknown(rows: pd.DataFrame, known: pd.Series, catalogue: str) -> None:
    """Raises UserError if corrections name products that the newest version has not."""
    named = pd.concat([rows["left"], rows["right"]])
    unknown = unknown_products(rows, known[known.isin(named)].tolist())
    if unknown:
        near = {one: nearest_ids(one, known.tolist()) for one in unknown[:SHOWN]}
        named = "; ".join(
            f"'{one}'" + (f" (is it {' or '.join(found)}?)" if found else "")
            for one, found in near.items()
        )
        more = ", …" if len(unknown) > SHOWN else ""
        raise UserError(
            f"the newest groups of '{catalogue}' have no product {named}{more}: correct the id, or "
            "run `variants group` first if the product is new"
        )


def _refuse_nothing_to_withdraw(before: pd.DataFrame, rows: pd.DataFrame) -> None:
    """Raises UserError if a row withdraws what nobody has said, or what is withdrawn already.

    Args:
        rows: the new words; one of them may withdraw what another one says.
    """
    withdrawn = rows["same"].isna()
    if not withdrawn.any():
        return
    words = pd.concat([standing(before), rows[~withdrawn]], ignore_index=True)
    stands = {frozenset(pair) for pair in words[["left", "right"]].to_numpy().tolist()}
    for left, right in rows.loc[withdrawn, ["left", "right"]].to_numpy().tolist():
        if frozenset((left, right)) not in stands:
            raise UserError(
                f"nothing stands about {left} and {right} that could be withdrawn: `variants "
                "groups corrections` lists what does; what follows from a chain ends with one of "
                "its words"
            )


def _refuse_apart(held: Constraints, rows: pd.DataFrame, products: pd.DataFrame) -> None:
    """Raises UserError if new words join products that are never compared."""
    said = {frozenset(pair) for pair in rows[["left", "right"]].to_numpy().tolist()}
    for row in held.apart.to_dict("records"):
        if frozenset((row["left"], row["right"])) in said:
            table = products.set_index("product_id")
            words = " and ".join(
                f"{row[side]} is {', '.join(map(str, table.loc[row[side], BLOCK]))}"
                for side in ("left", "right")
            )
            raise UserError(
                f"{words}: products are only grouped within one brand, gender and article type. If "
                "one of these is wrong, correct it in the shop, run `variants group`, and say it "
                "again"
            )


def _groups_like(group: str, products: pd.DataFrame) -> str:
    near = nearest_ids(group, products["group"].unique().tolist())
    if near:
        return f"is it {' or '.join(near)}?"
    return "groups.csv and groups.html of the last `variants group` name them"


def _locked(locks: pd.DataFrame) -> str:
    names = sorted(set(standing_locks(locks)["group"]))
    return f"locked are {', '.join(names[:SHOWN])}" if names else "none is locked"


def only_catalogue(project: Project) -> str:
    """Returns the name of the only catalogue.

    Raises:
        UserError: there is none, or there are several.
    """
    names = catalogues(store_of(project))
    if not names:
        raise UserError("no catalogue is grouped yet: `variants group --source FOLDER` groups one")
    if len(names) > 1:
        raise UserError(f"there are several catalogues: name one of {', '.join(names)}")
    return names[0]
