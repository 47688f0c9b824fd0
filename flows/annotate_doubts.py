"""`variants annotate doubts`: annotated pairs whose answer deserves a second look."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pandas as pd

from flows.annotate_catalogue import already_said, read_catalogue
from flows.annotations.batches import Batch, add_batch
from flows.catalogue.places import store_of
from flows.groups import find
from flows.local.project import Project
from ml.annotate.label_noise import cycles, label_doubts
from ml.annotate.mode import Mode
from ml.annotate.pair_features import pair_features
from ml.core.errors import UserError
from ml.data.annotations import pair_keys
from ml.data.blocks import block_numbers

Log = Callable[[str], None]


def doubted(project: Project, catalogue: str, budget: int, mode: Mode, log: Log) -> pd.DataFrame:
    """Lists the annotated pairs of a catalogue whose answer is least likely to be right.

    Answers are those of the shop's pairs, of corrections and of annotators. None is changed.

    Args:
        budget: number of pairs, at most.
        mode: "train" judges answers about products of the train and dev splits, "test" the others.
        log: called with what a person should know, and with progress.

    Returns:
        left, right, answer, quality (probability of this answer), stratum ("doubt"), probability
        (NaN: they are no sample) and why, by quality. A pair in a cycle (A = B, B = C, A ≠ C) says
        so; which of the three is wrong is what quality tells. `attrs["version"]` is the number of
        the version.

    Raises:
        UserError: there is no such catalogue, or there are too few pairs to judge.
    """
    found = read_catalogue(project, catalogue, log)
    said = already_said(project, found.store, found.version, blocks=False)
    said = said[said["answer"].isin(["same", "different"]).to_numpy()]
    said = said[~pair_keys(said).duplicated(keep="last")]
    chosen = ((found.split == "test") == (mode == "test")) & found.untrained.seen
    block = block_numbers(found.products)
    place = pd.Series(np.flatnonzero(chosen), found.products["product_id"][chosen])
    here = (said["left"].isin(place.index) & said["right"].isin(place.index)).to_numpy()
    said = said[here].reset_index(drop=True)
    left, right = (place[said[side]].to_numpy(int) for side in ("left", "right"))
    within = block[left] == block[right]
    said, left, right = said[within].reset_index(drop=True), left[within], right[within]
    if not len(said):
        raise UserError(f"no pair of {catalogue} is annotated in mode {mode} whose picture is here")
    same = said["answer"].eq("same").to_numpy()
    features = pair_features(found.untrained, block, left, right)
    brand = found.products["brand"].to_numpy()[left]
    judged = label_doubts(features, left, right, same, brand)
    pairs = list(zip(said["left"], said["right"], same.tolist(), strict=True))
    chains = _in_cycles(cycles(pairs))
    why = [
        chains.get(frozenset(pair[:2])) or f"models of other brands' answers give it {quality:.2f}"
        for pair, quality in zip(pairs, judged.quality, strict=True)
    ]
    rows = said.assign(quality=judged.quality, stratum="doubt", probability=np.nan, why=why)
    in_cycles = sum(frozenset(pair[:2]) in chains for pair in pairs)
    log(
        f"{int(judged.wrong.sum())} of {len(said)} answers are probably wrong; {in_cycles} are in "
        "cycles"
    )
    rows = rows.sort_values("quality", kind="stable").head(budget).reset_index(drop=True)
    rows.attrs["version"] = found.version.number
    return rows


def ask_again(project: Project, catalogue: str, doubts: pd.DataFrame, mode: Mode, by: str) -> Batch:
    """Makes a batch of doubted pairs, which is open to everybody; it says nothing of old answers.

    Args:
        doubts: what `doubted` returned.
        by: who asks.
    """
    version = find(store_of(project), catalogue, doubts.attrs.get("version", 0))
    facts = {"catalogue": catalogue, "version": version.number, "model": version.facts["model"]}
    facts |= {"mode": mode, "seed": 0, "overlap": 0.0, "by": by}
    return add_batch(project, facts, doubts.assign(why="a second look"), [])


def _in_cycles(chains: list[list[str]]) -> dict[frozenset[str], str]:
    """Returns, for each pair of a cycle, the cycle in words."""
    found: dict[frozenset[str], str] = {}
    for chain in chains:
        words = f"{' = '.join(chain)}, but {chain[0]} ≠ {chain[-1]}"
        for pair in [*pairwise(chain), (chain[0], chain[-1])]:
            found.setdefault(frozenset(pair), words)
    return found
