"""What the annotators of a catalogue agree on, as annotated pairs."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from flows.annotations.decisions import standing
from flows.local.project import Project
from flows.registry.people import listed_names
from ml.annotate.consensus import CONFLICT, consensus, contradictory
from ml.annotate.mode import ORIGIN
from ml.data.annotations import SAMPLED, SUGGESTED, pair_keys


@dataclass(frozen=True)
class Agreed:
    """What was made of the answers.

    Attributes:
        pairs: left, right, same (bool), annotator (names, see
            `flows.registry.people.listed_names`), origin; each pair once.
        conflicts, unsure: the pairs that are left out since people differ, or do not know: left,
            right, annotator.
        doubtful: those that are left out since their design contradicts itself: as `pairs`.
        corrected: number of pairs that are left out since a correction is about them.
    """

    pairs: pd.DataFrame
    conflicts: pd.DataFrame
    unsure: pd.DataFrame
    doubtful: pd.DataFrame
    corrected: int

    def words(self) -> str:
        """Says how many pairs there are, and what is left out; empty without any answer."""
        counts = {
            "pairs": len(self.pairs),
            "in conflict are left out": len(self.conflicts),
            "unsure are left out": len(self.unsure),
            "of designs that contradict themselves are left out": len(self.doubtful),
            "are left out since a correction is about them": self.corrected,
        }
        return "; ".join(f"{count} {words}" for words, count in counts.items() if count)


def agreed(project: Project, catalogue: str, corrected: pd.DataFrame | None = None) -> Agreed:
    """Returns what the annotators of a catalogue agree on.

    Args:
        corrected: corrections, which count more: left, right, same; None: there are none.
    """
    return agreed_of(standing(project, catalogue), corrected)


def agreed_of(answers: pd.DataFrame, corrected: pd.DataFrame | None = None) -> Agreed:
    """Returns what people agree on.

    A pair that is in several batches, also mirrored, is one pair, and the newest word of a person
    about it counts. It is a fresh test pair if it was drawn as one, with a known probability: a
    pair of a file, or one that is looked at again, was chosen, and nobody knows by what.

    Args:
        answers: of `flows.annotations.decisions.standing`.
        corrected: as of `agreed`.
    """
    rows, newest = answers.assign(key=pair_keys(answers)), newest_words(answers)
    answer = consensus(newest, "key")
    voted = newest["key"].map(answer)
    named = newest[newest["answer"].eq(voted) | voted.eq(CONFLICT)]
    names = named.sort_values("decision").groupby("key")["by"].agg(listed_names)
    drawn = rows["mode"].map(ORIGIN).eq(SAMPLED) & rows["probability"].notna()
    sampled = rows.loc[drawn, "key"]
    first = newest.drop_duplicates("key").set_index("key").loc[answer.index]
    table = first[["left", "right"]].assign(
        answer=answer,
        same=answer.eq("same"),
        annotator=names.reindex(answer.index).fillna(""),
        origin=np.where(answer.index.isin(sampled), SAMPLED, SUGGESTED),
    )
    table = table.rename_axis("key").reset_index()
    conflict, unsure = table["answer"].eq(CONFLICT), table["answer"].eq("unsure")
    decided = table[~conflict & ~unsure]
    if corrected is None:
        corrected = table[:0]
    held = decided["key"].isin(pair_keys(corrected))
    decided = decided[~held]
    ends = ["left", "right", "same"]
    both = pd.concat([decided[ends], corrected[ends]], ignore_index=True)
    doubtful = contradictory(both).to_numpy()[: len(decided)]
    kept = ["left", "right", "same", "annotator", "origin"]
    return Agreed(
        pairs=decided.loc[~doubtful, kept].reset_index(drop=True),
        conflicts=table.loc[conflict, ["left", "right", "annotator"]].reset_index(drop=True),
        unsure=table.loc[unsure, ["left", "right", "annotator"]].reset_index(drop=True),
        doubtful=decided.loc[doubtful, kept].reset_index(drop=True),
        corrected=int(held.sum()),
    )


def newest_words(answers: pd.DataFrame) -> pd.DataFrame:
    """Returns the newest word of each person about each two products, in whatever batch they are.

    Args:
        answers: of `flows.annotations.decisions.standing`.

    Returns:
        Rows of it, the oldest first, with "key": see `ml.data.annotations.pair_keys`.
    """
    rows = answers.assign(key=pair_keys(answers)).sort_values("decision")
    return rows.drop_duplicates(["key", "person"], keep="last")
