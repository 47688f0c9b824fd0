"""`variants annotate suggest`: the pairs of a catalogue that are most worth an answer."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from flows.annotate_catalogue import (
    ReadCatalogue,
    already_said,
    read_catalogue,
    snapshot_of,
    view_of_model,
)
from flows.annotations.database import NUMBERS
from flows.local.project import Project
from flows.local.scratch import scratch
from flows.registry.versions import policy_of
from ml.annotate.candidates import Grouped
from ml.annotate.known_answers import known_answers
from ml.annotate.suggestion import suggest_test, suggest_train
from ml.core.errors import UserError
from ml.core.files import read_table
from ml.data.annotations import build_annotations, without_selected
from ml.data.schema import BLOCK
from ml.promote.alpha_spending import fresh_pairs_needed

Log = Callable[[str], None]
LARGEST = 100_000  # pairs of a batch: years of one person's work
LEAST_SEEN = 0.5  # share of the products whose pictures must be here for a batch of test pairs


def suggested(
    project: Project,
    catalogue: str,
    budget: int,
    mode: str,
    seed: int,
    log: Log = lambda line: None,
) -> pd.DataFrame:
    """Suggests pairs of the newest version of a catalogue's groups; it keeps nothing but features.

    Args:
        budget: number of pairs.
        mode: "train": never products of the test split; "test": these alone, and no trained model
            has a say in which.
        seed: of all draws.
        log: called with what a person should know, and with progress.

    Returns:
        As `ml.annotate.suggestion.suggest_train`; `attrs["version"]` is the version's number.

    Raises:
        UserError: there is no such catalogue, its model or pictures are not here, or budget or seed
            is out of range.
    """
    if budget < 1:
        raise UserError(f"a batch of {budget} pairs asks nothing: ask for one pair or more")
    if budget > LARGEST:
        raise UserError(f"a batch of {budget:,} pairs is too large: ask for {LARGEST:,} at most")
    if not 0 <= seed < NUMBERS:
        raise UserError(f"a seed is a whole number from 0 to {NUMBERS - 1}, not {seed}")
    found = read_catalogue(project, catalogue, log)
    products = found.products
    said = already_said(project, found.store, found.version)
    known = known_answers(products["product_id"], said)
    test = found.split == "test"
    if mode == "test":
        if test.any() and found.untrained.seen[test].mean() < LEAST_SEEN:
            raise UserError(
                "fewer than half of the pictures of the test split are on this machine, so that "
                f"pairs would be no sample of {catalogue}: `variants group` brings them"
            )
        grouped = _grouped(found, test & found.untrained.seen)
        batch = suggest_test(grouped, found.untrained, known, budget, seed)
        log(_fresh(project, found, batch))
    else:
        if not found.untrained.seen.any():
            log(
                "the pictures are not on this machine, so that the model is not held against "
                "untrained features: `variants group` brings them"
            )
        with scratch(project, "suggest") as folder:
            views = [view_of_model(project, found, folder)]
            views += [found.untrained] if found.untrained.seen.any() else []
            batch = suggest_train(_grouped(found, ~test), tuple(views), known, budget, seed)
    batch.attrs["version"] = found.version.number
    if len(batch) < budget:
        log(f"only {len(batch)} pairs are left to ask about in the {mode} brands of {catalogue}")
    return batch


def _grouped(found: ReadCatalogue, asked: np.ndarray) -> Grouped:
    """Returns the products that people may be asked about; pairs of two splits are none."""
    products = found.products
    block = products.groupby([*BLOCK, found.split], sort=False).ngroup().to_numpy(int)
    if not asked.any():
        raise UserError(
            f"the catalogue {found.version.facts['catalogue']} has no product to ask about: in "
            "this mode there is none with a picture on this machine"
        )
    newest = products["opened"].eq(found.version.number) & (found.version.number > 1)
    return Grouped(
        products["product_id"],
        np.where(asked, block, -1),
        products["group"].factorize()[0],
        products["band"].eq("publish").to_numpy(),
        newest.to_numpy(),
    )


def _fresh(project: Project, found: ReadCatalogue, batch: pd.DataFrame) -> str:
    """Says how many fresh pairs restore the level of the gate's comparisons."""
    pairs = snapshot_of(project, found.version) / "pairs.parquet"
    known = 0
    if pairs.is_file():
        test = found.products[found.split == "test"].reset_index(drop=True)
        known = len(build_annotations(test, without_selected(read_table(pairs))).block_pairs)
    needed = fresh_pairs_needed(known, policy_of(project).gate.same_pairs)
    return (
        f"{len(batch)} fresh test pairs. Comparisons so far had up to {known} test pairs; added to "
        f"these, {needed} fresh ones restore their level; fresh ones alone begin anew"
    )
