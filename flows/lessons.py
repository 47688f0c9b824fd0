"""What a retraining learns from people: the corrections and the annotations of a catalogue."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from flows.annotations.agreed import agreed_of
from flows.annotations.batches import batches
from flows.annotations.decisions import standing as answers
from flows.catalogue.corrections import read_corrections
from flows.catalogue.places import store_of
from flows.groups import find
from flows.local.project import Project
from flows.local.snapshots import absolute
from ml.catalogue.contradictions import refuse_contradictions
from ml.catalogue.corrections import no_corrections, standing
from ml.catalogue.locks import no_locks
from ml.catalogue.store import Store
from ml.catalogue.versions import catalogues, newest_facts
from ml.core.credentials import without_credentials
from ml.data.annotations import CORRECTION

FILE = "said.csv"
NONE = "none"  # instead of the name of a catalogue
COLUMNS = ["left", "right", "same", "annotator", "origin"]
Log = Callable[[str], None]


def lessons(
    project: Project, source: str, corrections: str, annotations: str, folder: Path, log: Log
) -> Path | None:
    """Writes what a retraining learns from people, as annotated pairs.

    Where a correction and an annotation are of the same two products, the correction counts.

    Args:
        source: folder or URL of the shop.
        corrections: the catalogue whose corrections they are; empty: those that were grouped from
            this source; "none": there are none.
        annotations: the catalogue whose annotations they are, likewise.
        folder: for the file.
        log: called with what is taken, and with what is left out and why.

    Returns:
        A CSV file: left, right, color_variants, annotator, origin; None if there is nothing.

    Raises:
        UserError: there is no such catalogue, or its corrections contradict each other.
    """
    store = store_of(project)
    corrected = _corrected(store, source, corrections, log)
    pairs = _annotated(project, store, source, annotations, corrected, log)
    if not len(pairs):
        return None
    file, same = folder / FILE, pairs["same"].astype(int)
    table = pairs.assign(same=same).rename(columns={"same": "color_variants"})
    table.to_csv(file, index=False, lineterminator="\n")
    return file


def _corrected(store: Store, source: str, named: str, log: Log) -> pd.DataFrame:
    """Returns `COLUMNS` of corrections."""
    names = _catalogues(store, source, named)
    tables = {name: standing(read_corrections(store, name)) for name in names}
    newest = standing(pd.concat([no_corrections(), *tables.values()], ignore_index=True))
    others = [] if names or named else catalogues(store)
    _tell_of("corrections", [one for one in others if len(read_corrections(store, one))], log)
    refuse_contradictions(newest, no_locks())
    if len(newest):
        log(f"corrections of the catalogue {', '.join(one for one in tables if len(tables[one]))}")
    return newest.assign(annotator=newest["by"], origin=CORRECTION)[COLUMNS]


def _annotated(
    project: Project,
    store: Store,
    source: str,
    named: str,
    corrected: pd.DataFrame,
    log: Log,
) -> pd.DataFrame:
    """Returns `COLUMNS` of corrections, and of the annotations that agree with them."""
    names = _catalogues(store, source, named)
    others = [] if names or named else sorted({one.catalogue for one in batches(project)})
    _tell_of("annotations", others, log)
    if not names:
        return corrected
    said = [answers(project, name) for name in names]  # of one shop: a pair may be in several
    found = agreed_of(pd.concat(said, ignore_index=True), corrected)
    if found.words():
        about = [name for name, one in zip(names, said, strict=True) if len(one)]
        log(f"annotations of the catalogue {', '.join(about)}: {found.words()}")
    return pd.concat([corrected, found.pairs[COLUMNS]], ignore_index=True)


def _catalogues(store: Store, source: str, named: str) -> list[str]:
    """Returns the catalogues that an option names; by default those grouped from the source."""
    if named == NONE:
        return []
    if named:
        find(store, named)  # says which ones there are
        return [named]
    here = absolute(without_credentials(source))
    return [one["catalogue"] for one in newest_facts(store) if absolute(one["source"]) == here]


def _tell_of(what: str, others: list[str], log: Log) -> None:
    if others:
        log(
            f"no catalogue was grouped from this source: the {what} of {', '.join(others)} are not "
            f"learnt from, unless --{what} names one"
        )
