"""What two models decide differently and by labels: new mistakes, and those that were mended."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ml.core.files import write_json
from ml.data.annotations import PairSet

FILE = "mistakes.json"
SHOWN = 12  # pairs of each kind, the worst ones


class Scores(NamedTuple):
    """What a model says of the block pairs.

    Attributes:
        similarity: float (block pairs,), cosine similarity.
        threshold: 1 − cosine, above which a pair is no pair of variants.
    """

    similarity: np.ndarray
    threshold: float

    @property
    def margin(self) -> np.ndarray:
        """By how much each pair is above the least similarity of variants: float (block pairs,)."""
        return self.similarity - (1 - self.threshold)


@dataclass(frozen=True)
class MistakeChanges:
    """The block pairs that only one of two models is wrong about, each by its position.

    Attributes:
        new: those that only the challenger is wrong about, the farthest from its threshold first.
        mended: those that only the champion is wrong about, the farthest from its threshold first.
        kept: number of pairs that both are wrong about.
    """

    new: np.ndarray
    mended: np.ndarray
    kept: int


def mistake_changes(label: np.ndarray, champion: Scores, challenger: Scores) -> MistakeChanges:
    """Compares the mistakes of two models on the same block pairs.

    Args:
        label: bool (block pairs,), whether they are variants.
    """
    before, after = ((one.margin >= 0) != label for one in (champion, challenger))

    def worst(chosen: np.ndarray, margin: np.ndarray) -> np.ndarray:
        places = np.flatnonzero(chosen)
        return places[np.argsort(-np.abs(margin[places]), kind="stable")]

    return MistakeChanges(
        worst(after & ~before, challenger.margin),
        worst(before & ~after, champion.margin),
        int((before & after).sum()),
    )


def write_mistakes(
    changes: MistakeChanges,
    pairs: PairSet,
    champion: Scores,
    challenger: Scores,
    card: Callable[[int], dict[str, Any]],
    folder: Path,
) -> None:
    """Writes mistakes.json: the counts, and the worst pairs of each kind with their pictures.

    Args:
        pairs: the block pairs; their ends are positions of annotated products.
        card: returns the card of an annotated product, see `ml.pages.html.product_card`.
        folder: where the file goes.
    """

    def shown(place: int) -> dict[str, Any]:
        said = {"champion": champion, "challenger": challenger}
        return {
            "left": card(int(pairs.left[place])),
            "right": card(int(pairs.right[place])),
            "variants": bool(pairs.label[place]),
            **{f"{name}_margin": float(one.margin[place]) for name, one in said.items()},
        }

    kinds = {"new": changes.new, "mended": changes.mended}
    write_json(
        folder / FILE,
        {"pairs": len(pairs), "kept": changes.kept}
        | {name: len(places) for name, places in kinds.items()}
        | {f"{name}_pairs": list(map(shown, kinds[name][:SHOWN])) for name in kinds},
    )
