"""`variants annotate estimate`: how good the groups of a catalogue are, by random pairs."""

import json
from typing import Any

import numpy as np
import pandas as pd

from flows.annotations.batches import Batch, batches
from flows.annotations.decisions import pairs_of, standing
from flows.catalogue.places import store_of
from flows.groups import find
from flows.local.project import Project
from ml.annotate.candidates import PLACES
from ml.annotate.consensus import CONFLICT, consensus
from ml.annotate.estimate import estimate, strata_of
from ml.annotate.random_strata import RANDOM
from ml.catalogue.versions import newest_number
from ml.core.errors import UserError, visible

SPLITS = {"train": ("train", "dev"), "test": ("test",)}  # of which the pairs of a mode are


def estimated(project: Project, catalogue: str) -> dict[str, Any]:
    """Estimates precision and recall of a catalogue's groups.

    It takes the newest batch of each mode of the newest version that has batches: what was known
    before counts in it.

    Returns:
        {"catalogue", "version", "batches": names, "splits": of the products that they stand for,
        "asked", "answered": numbers of random pairs, "metrics": see `ml.annotate.estimate`,
        "cautions": sentences}.

    Raises:
        UserError: there is no such catalogue, or nobody was asked about random pairs of it.
    """
    store = store_of(project)
    find(store, catalogue)  # says which ones there are
    drawn = [one for one in batches(project) if one.catalogue == catalogue and one.frame]
    if not drawn:
        raise UserError(
            f"nobody was asked about random pairs of '{visible(catalogue)}': `variants annotate "
            "suggest` makes a batch that holds some"
        )
    number = max(one.version for one in drawn)
    last = {one.mode: one for one in drawn if one.version == number}
    newest = {mode: last[mode] for mode in SPLITS if mode in last}
    products = find(store, catalogue, number).products.set_index("product_id")
    strata, known, rows = [], np.zeros((len(PLACES), 3), int), []
    for batch in newest.values():
        table = _answered(project, batch)
        frame = json.loads(batch.frame)
        strata += strata_of(table, _places(table, products), frame["strata"])
        known += np.array([frame["known"][place] for place in PLACES])
        rows.append(table)
    asked = pd.concat(rows)
    return {
        "catalogue": catalogue,
        "version": number,
        "batches": [one.name for one in newest.values()],
        "splits": [split for mode in newest for split in SPLITS[mode]],
        "asked": len(asked),
        "answered": int(asked["answer"].notna().sum()),
        "metrics": estimate(strata, known),
        "cautions": _cautions(number, newest_number(store, catalogue), set(newest), asked),
    }


def _answered(project: Project, batch: Batch) -> pd.DataFrame:
    """Returns the random pairs of a batch with their answers; None without one, or in conflict."""
    pairs = pairs_of(project, batch)
    pairs = pairs[pairs["stratum"].str.startswith(RANDOM)]
    said = standing(project, batch=batch)
    answer = consensus(said)
    found = pairs["id"].map(answer[answer != CONFLICT]).astype(object)
    return pairs.assign(answer=found.where(found.notna(), None)).reset_index(drop=True)


def _places(pairs: pd.DataFrame, products: pd.DataFrame) -> np.ndarray:
    """Returns where pairs are in a version's groups: int (pairs,), positions in `PLACES`."""
    left, right = (products.loc[pairs[side]] for side in ("left", "right"))
    together = left["group"].to_numpy() == right["group"].to_numpy()
    return np.where(together, np.where(left["band"].to_numpy() == "publish", 0, 1), 2)


def _cautions(number: int, newest: int | None, modes: set[str], asked: pd.DataFrame) -> list[str]:
    found = []
    if newest != number:
        found.append(f"the newest groups are version {newest}, of which no pairs were drawn yet")
    for mode in SPLITS.keys() - modes:
        splits = " and ".join(SPLITS[mode])
        found.append(f"products of the {splits} split are not in it: suggest {mode} pairs as well")
    waiting = int(asked["answer"].isna().sum())
    if waiting:
        found.append(f"{waiting} random pairs have no answer, or one in conflict")
    return found
