"""`variants annotate`: batches of pairs, what people say of them, and what becomes of it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from flows.annotations.agreed import Agreed, agreed, newest_words
from flows.annotations.batches import Batch, add_batch, batches, find_batch
from flows.annotations.decisions import (
    add_decisions,
    counts,
    dealt_pairs,
    dealt_to,
    pairs_of,
    queue,
    standing,
)
from flows.catalogue.places import store_of
from flows.catalogue.shop import kept_folder
from flows.corrections import only_catalogue
from flows.groups import find
from flows.local.access import refuse_file
from flows.local.project import Project
from flows.registry.people import folded, names_in, refusal_of_name, shown
from ml.annotate.agreement import agreement
from ml.annotate.assignment import assign, check_deal
from ml.annotate.consensus import CONFLICT, consensus, contradictory
from ml.annotate.label_studio import Said, accounts_in, said_in, task
from ml.annotate.mode import Mode
from ml.catalogue.corrections import in_utc, unknown_products
from ml.catalogue.versions import Version
from ml.core.errors import UserError, visible
from ml.core.files import read_table, write_json
from ml.core.spreadsheet import write_csv
from ml.data.annotations import pair_keys
from ml.snapshot.pair_file import read_file, read_pair_file
from ml.snapshot.shop_checks import check_pairs

PICTURES = "/data/local-files/?d="  # of Label Studio's own local storage
PAIRS = ["left", "right", "color_variants", "annotator"]
SHOWN = 10  # pairs that one message names


def suggest(
    project: Project,
    catalogue: str,
    budget: int,
    mode: Mode,
    seed: int,
    annotators: list[str],
    overlap: float,
    by: str,
    log: Callable[[str], None],
) -> Batch:
    """Keeps a batch of the pairs most worth a look; see `flows.annotate_suggest.suggested`.

    Args:
        catalogue: its name; empty: the only one.
        budget: number of pairs.
        annotators: whom the pairs are dealt to; empty: the batch is open to everybody.
        overlap: share of the pairs that two annotators look at.
        by: who asks.
        log: called with what a person should know, and with progress.

    Raises:
        UserError: there is no such catalogue, nothing can be suggested, or an argument is wrong.
    """
    from flows.annotate_suggest import suggested  # it needs torch

    people = _people(annotators)
    check_deal(people, overlap)
    catalogue = catalogue or only_catalogue(project)
    pairs = suggested(project, catalogue, budget, mode, seed, log)
    if not len(pairs):
        raise UserError(f"there is no pair of '{catalogue}' left to look at in mode {mode}")
    version = find(store_of(project), catalogue, pairs.attrs["version"])
    facts = _facts(version, mode, by) | {"seed": seed, "overlap": overlap}
    facts["frame"] = json.dumps(pairs.attrs["frame"])
    return add_batch(project, facts, pairs, assign(len(pairs), people, overlap, seed))


def status(project: Project, name: str) -> dict[str, Any]:
    """Returns how far a batch is.

    Returns:
        The facts of `Batch`; "pairs": number; "answered": by one person or more; "people": {name:
        {"answers", "left"}}, where left is None in an open batch; "same", "different", "unsure":
        number of pairs on which people agree; "conflicts": the pairs on which they do not, each
        {"pair", "left", "right", "answers": {name: answer}}, also by answers in other batches of
        the catalogue; "agreement": see `ml.annotate.agreement.Agreement`, as a dict; "words": the
        same in sentences.

    Raises:
        UserError: there is no such batch.
    """
    batch = find_batch(project, name)
    said, pairs = standing(project, batch=batch), pairs_of(project, batch)
    pairs = pairs.set_index(pair_keys(pairs))
    pairs = pairs[~pairs.index.duplicated()]
    about = newest_words(standing(project, batch.catalogue))
    about = about[about["key"].isin(pairs.index)]
    dealt = dealt_to(project, batch)
    names = dict(zip(about["person"], about["by"], strict=True))
    names |= {folded(one): one for one in dealt}
    said["by"] = said["person"].map(names)  # of two spellings of a name, one
    people: dict[str, dict[str, int | None]] = {
        str(who): {"answers": 0, "left": queue(project, batch, str(who)).left} for who in dealt
    }
    for who, count in said.groupby("by").size().items():
        people.setdefault(str(who), {"answers": 0, "left": None})["answers"] = int(count)
    results = consensus(about, "key")
    agreed_on = results[results.index.isin(pair_keys(said))]
    split = about[about["key"].map(results).eq(CONFLICT)].groupby("key")
    answers: dict[Any, dict[str, str]] = {
        key: dict(zip(rows["person"].map(names), rows["answer"], strict=True))
        for key, rows in split
    }
    conflicts = [
        {
            "pair": int(one["id"]),
            "left": one["left"],
            "right": one["right"],
            "answers": answers[key],
        }
        for key, one in pairs[pairs.index.isin(answers)].iterrows()
    ]
    measured = agreement(said.assign(person=said["by"])[["pair", "person", "answer"]])
    return vars(batch) | {
        "pairs": counts(project).get(name, {"pairs": 0})["pairs"],
        "answered": said["pair"].nunique(),
        "people": people,
        **{one: int((agreed_on == one).sum()) for one in ("same", "different", "unsure")},
        "conflicts": conflicts,
        "agreement": vars(measured) | {"cohen": [vars(one) for one in measured.cohen]},
        "words": measured.words(),
    }


def listed(project: Project) -> list[dict[str, Any]]:
    """Returns the facts of every batch with the number of its pairs, and of those answered."""
    known = batches(project)
    rows = counts(project) if known else {}
    return [vars(one) | rows.get(one.name, {"pairs": 0, "answered": 0}) for one in known]


def export_pairs(
    project: Project, catalogue: str, out: Path, with_: Path | None = None
) -> tuple[Agreed, int]:
    """Writes what the annotators of a catalogue agree on as pairs.csv (docs/data-format.md).

    Args:
        out: the file to write.
        with_: a shop's pairs.csv whose rows come first; a pair that is in both stays as people say
            now, and is told.

    Returns:
        What they agree on and what is left out, and how many pairs of the shop were replaced.

    Raises:
        UserError: there are no annotations, or the shop's file cannot be read, or a chain of its
            pairs and the annotators' contradicts a pair.
    """
    refuse_file(out)
    found = agreed(project, catalogue)
    if not len(found.pairs):
        raise UserError(
            f"nobody has decided a pair of '{visible(catalogue)}' yet: {found.words() or 'none'}"
        )
    pairs = found.pairs.assign(color_variants=found.pairs["same"].astype(int))
    table, replaced = pairs[[*PAIRS, "origin"]], 0
    if with_:
        theirs = _checked(with_)
        ours = pair_keys(theirs).isin(pair_keys(table))
        replaced = int(ours.sum())
        table = pd.concat([theirs[~ours], table], ignore_index=True)
        _refuse_contradictions(table, with_.name)
    write_csv(out, table)
    return found, replaced


def export_label_studio(project: Project, name: str, out: Path, pictures: str = PICTURES) -> int:
    """Writes the pairs of a batch as Label Studio's tasks; returns their number.

    Args:
        out: the file to write.
        pictures: what comes before the shop's name of a picture to make a URL of it; names that
            are URLs stay.

    Raises:
        UserError: there is no such batch, its products have no pictures, or the shop's copy is not
            on this machine.
    """
    refuse_file(out)
    batch = find_batch(project, name)
    facts = find(store_of(project), batch.catalogue).facts
    shops = [shop for shop in (facts.get("delta"), facts) if shop]  # what is newer counts
    folders = [kept_folder(project, shop["source"], shop["columns"]) for shop in shops]
    files = [one / "snapshot/catalog.parquet" for one in folders]
    catalogs = [read_table(file)[["product_id", "image"]] for file in files if file.is_file()]
    if not catalogs:
        raise UserError(
            f"the shop of '{batch.catalogue}' has no copy on this machine, which names its "
            "pictures: run `variants group` here"
        )
    catalog = pd.concat(catalogs).drop_duplicates("product_id")
    images = catalog.set_index("product_id")["image"]

    def url(product: str) -> str:
        image = images.get(product)
        if not isinstance(image, str):
            raise UserError(f"product '{visible(product)}' of {batch.catalogue} has no picture")
        return image if "://" in image else pictures + image

    ends = pairs_of(project, batch)[["left", "right"]].to_numpy(str).tolist()
    tasks = [task(left, right, (url(left), url(right)), name) for left, right in ends]
    write_json(out, tasks)
    return len(tasks)


def import_answers(
    project: Project, catalogue: str, file: Path, mode: Mode, by: str, accounts: Path | None = None
) -> dict[str, Any]:
    """Takes over answers: a table of annotated pairs, or Label Studio's JSON; all rows or none.

    Answers about pairs of the catalogue's batches go there: to the batch that the file names, else
    to one that was dealt to the person, else to one that waits. Others make a batch of their own.

    Args:
        file: CSV or Parquet of docs/data-format.md, or JSON.
        mode: of the pairs that are in no batch yet.
        by: whose answers they are where the file does not say.
        accounts: Label Studio's list of accounts, which names those of an export.

    Returns:
        {"answers": number in the file, "new": how many of them are, "batch": name of the batch that
        was made, or None}.

    Raises:
        UserError: a row is wrong, contradicts another row of the same person, or names a product
            that the newest groups have not.
    """
    said = _read_answers(file, by, accounts)
    version = find(store_of(project), catalogue)
    table = pd.DataFrame(said)
    if table.empty:
        raise UserError(f"{file.name} holds no answers")
    _refuse_unknown(table, version, catalogue)
    _refuse_twice(table, file.name)
    known = _known_pairs(project, catalogue)
    keys = pair_keys(table)
    fresh = table[~keys.isin(known)].loc[lambda rows: ~keys[rows.index].duplicated()]
    made = None
    if len(fresh):
        why = f"imported from {visible(file.name)}"
        pairs = fresh[["left", "right"]].assign(stratum="imported", probability=np.nan, why=why)
        facts = _facts(version, mode, by) | {"seed": 0, "overlap": 0.0}
        made = add_batch(project, facts, pairs, [])
        known = _known_pairs(project, catalogue)
    dealt, answered = dealt_pairs(project), set(standing(project, catalogue)["pair"])

    def asked(key: str, one: Said) -> int:
        """Returns the id of the pair that an answer is about."""
        person = folded(one.person)
        return min(
            known[key],
            key=lambda pair: (
                known[key][pair] != one.batch,
                (pair, person) not in dealt,
                pair in answered,
                pair,
            ),
        )

    rows = [
        {"pair": asked(key, one), "by": one.person, "answer": one.answer}
        | {"why": one.why, "when": one.when}
        for key, one in zip(keys, said, strict=True)
    ]
    added = add_decisions(project, rows)
    return {"answers": len(said), "new": added, "batch": made.name if made else None}


def _facts(version: Version, mode: Mode, by: str) -> dict[str, Any]:
    return {
        "catalogue": version.facts["catalogue"],
        "version": version.number,
        "model": version.facts["model"],
        "mode": mode,
        "by": by,
    }


def _people(names: list[str]) -> list[str]:
    """Returns the names of annotators as they are shown, each person once."""
    for one in names:
        refusal = refusal_of_name(one)
        if refusal:
            raise UserError(f"--annotator {refusal}")
    return list({folded(one): shown(one) for one in names}.values())


def _checked(file: Path) -> pd.DataFrame:
    """Reads a table of annotated pairs: left, right, color_variants (1, 0 or missing), …"""
    table = read_pair_file(file).astype(object)
    lacking = [one for one in PAIRS[:3] if one not in table]
    if lacking:
        raise UserError(f"{file.name} lacks {', '.join(lacking)}: see docs/data-format.md")
    blank = table.index[table[["left", "right"]].isna().any(axis=1)]
    if len(blank):
        raise UserError(
            f"{file.name}, {table.index.name} {blank[0]}: left and right must each name a product"
        )
    return check_pairs(table, file.name).astype(object).replace({np.nan: None})


def _read_answers(file: Path, by: str, accounts: Path | None) -> list[Said]:
    """Reads the answers of a file; their persons are names that can be one's."""
    if file.suffix == ".json":
        named = accounts_in(_read_json(accounts), accounts.name) if accounts else {}
        said = list(said_in(_read_json(file), file.name, named))
    elif accounts:
        raise UserError("--accounts names the people of Label Studio's JSON only")
    else:
        said = [one for row in _checked(file).to_dict("records") for one in _said(row, by)]
    for one in said:
        refusal = refusal_of_name(one.person)
        if refusal:
            raise UserError(f"{file.name}: the annotator {refusal}")
        if one.left == one.right:
            raise UserError(f"{file.name}: '{visible(one.left)}' is paired with itself")
    return [
        one._replace(person=shown(one.person), when=one.when and in_utc(one.when, file.name))
        for one in said
    ]


def _read_json(file: Path) -> Any:
    try:
        return json.loads(read_file(file))
    except ValueError as error:
        raise UserError(f"{file.name} is no JSON: {error}") from error


def _said(row: dict[Any, Any], by: str) -> list[Said]:
    """Returns the answers of a row of pairs.csv; a pair without a label, or of low confidence, is
    an unsure one.
    """
    label = row["color_variants"]
    known = label is not None and row.get("confidence") != "low"
    answer = ("same" if label else "different") if known else "unsure"
    people = names_in(row.get("annotator") or "") or [by]
    return [
        Said(row["left"], row["right"], one, answer, row.get("why") or "", "") for one in people
    ]


def _refuse_unknown(table: pd.DataFrame, version: Version, catalogue: str) -> None:
    unknown = unknown_products(table, version.products["product_id"].tolist())
    if unknown:
        more = ", …" if len(unknown) > SHOWN else ""
        raise UserError(
            f"the newest groups of '{catalogue}' have no product "
            f"{', '.join(map(visible, unknown[:SHOWN]))}{more}: correct the ids, or run `variants "
            "group` first if the products are new"
        )


def _refuse_twice(table: pd.DataFrame, name: str) -> None:
    """Raises UserError if a person gives two answers to one pair of a file."""
    people = table["person"].map(folded)
    answers = table.groupby([pair_keys(table), people])["answer"].nunique()
    if (answers > 1).any():
        key, _ = answers.index[answers > 1][0]
        left, right = key.split("\x1f")
        raise UserError(
            f"{name}: one person says two things about {visible(left)} and {visible(right)}: keep "
            "the right row"
        )


def _refuse_contradictions(pairs: pd.DataFrame, name: str) -> None:
    """Raises UserError if a shop's pairs and the annotators' cannot all hold."""
    label = pairs["color_variants"]
    usable = pairs[label.notna() & (pairs.get("confidence", label) != "low")]
    same = usable["color_variants"].eq(1)
    doubtful = usable[contradictory(usable.assign(same=same)) & ~same]
    if len(doubtful):
        named = [f"{one} and {other}" for one, other in doubtful[["left", "right"]].to_numpy()]
        more = ", …" if len(named) > SHOWN else ""
        raise UserError(
            f"{name} and the annotators contradict each other: chains of variants join "
            f"{visible(', '.join(named[:SHOWN]))}{more}, which are said to be different: correct a "
            "link of each chain; `variants annotate doubts` lists likely ones"
        )


def _known_pairs(project: Project, catalogue: str) -> dict[str, dict[int, str]]:
    """Returns the pairs of a catalogue's batches by their keys: {id: name of the batch}."""
    found: dict[str, dict[int, str]] = {}
    for batch in batches(project):
        if batch.catalogue == catalogue:
            pairs = pairs_of(project, batch)
            for key, number in zip(pair_keys(pairs), pairs["id"].tolist(), strict=True):
                found.setdefault(key, {})[number] = batch.name
    return found
