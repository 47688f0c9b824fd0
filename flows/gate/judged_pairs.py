"""The products on which the gate measures two models: those of the challenger's test split."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ml.core.files import read_table
from ml.core.paths import PREPARED, SNAPSHOT, VALIDATED
from ml.data.annotations import build_annotations, without_selected
from ml.data.blocks import block_mates
from ml.data.schema import BLOCK
from ml.evaluate.bootstrap import Resamples
from ml.evaluate.complete_blocks import CompleteBlocks, build_complete_blocks
from ml.evaluate.metric_words import COMPLETE_BLOCK_AP
from ml.evaluate.segments import segments
from ml.pages.html import product_card
from ml.promote.alpha_spending import sketch
from ml.promote.policy import GatePolicy


class JudgedPairs(NamedTuple):
    """The pairs of products on which both models are measured.

    Attributes:
        products: all products of those blocks that hold annotated test products, and of the
            complete blocks: brand, gender, article_type, and image (path).
        annotated: int (annotated products,), their positions in `products`.
        resamples: of the annotated products.
        parts: segment → bool (block pairs,), which of the block pairs are in it.
        complete: complete blocks of the test split; None if they do not hold pairs of both kinds.
        in_complete: int (products of complete blocks,), their positions in `products`.
        sketch: identifies these pairs in later comparisons (see `ml.promote.alpha_spending`).
        card: returns the card of an annotated product, see `ml.pages.html.product_card`.
    """

    products: pd.DataFrame
    annotated: np.ndarray
    resamples: Resamples
    parts: dict[str, np.ndarray]
    complete: CompleteBlocks | None
    in_complete: np.ndarray
    sketch: str
    card: Callable[[int], dict[str, Any]]

    @property
    def blocks(self) -> int:
        """The number of complete blocks."""
        return self.complete.facts()["blocks"] if self.complete else 0


def load_judged_pairs(root: Path, policy: GatePolicy) -> JudgedPairs:
    """Reads the test split of the checkout in which the stages have run.

    Args:
        root: the checkout.
        policy: it holds the number of resamples and their seed.
    """
    products = read_table(root / PREPARED / "products.parquet")
    indices = np.flatnonzero(products["split"] == "test")
    test = products.iloc[indices].reset_index(drop=True)
    pairs = without_selected(read_table(root / PREPARED / "pairs.parquet"))
    annotations, complete = build_annotations(test, pairs), _complete_blocks(root, test)
    here = indices[annotations.indices]
    whole = indices[complete.indices] if complete else np.zeros(0, int)
    mates = block_mates(products, np.union1d(here, whole))  # also of other splits, in one brand
    asked = products.iloc[mates].reset_index(drop=True)
    table = asked[BLOCK].assign(
        image=[str(root / SNAPSHOT / "images" / name) for name in asked["sha256"]]
    )
    judged = test.iloc[annotations.indices]
    images, masks = (
        np.load(root / PREPARED / f"{name}.npy", mmap_mode="r") for name in ("images", "masks")
    )
    deciding = [(judged, annotations.block_pairs)]
    if complete and COMPLETE_BLOCK_AP in policy.metrics:
        deciding.append((test.iloc[complete.indices], complete.pairs))
    return JudgedPairs(
        products=table,
        annotated=np.searchsorted(mates, here),
        resamples=Resamples(annotations, policy.resamples, policy.seed),
        parts=dict(segments(judged, annotations, images[here], masks[here])),
        complete=complete,
        in_complete=np.searchsorted(mates, whole),
        sketch=sketch(
            pair
            for shown, own in deciding
            for pair in zip(
                shown["sha256"].to_numpy()[own.left],
                shown["sha256"].to_numpy()[own.right],
                own.label,
                strict=True,
            )
        ),
        card=lambda place: product_card(judged.iloc[place], images[here[place]]),
    )


def _complete_blocks(root: Path, test: pd.DataFrame) -> CompleteBlocks | None:
    """Reads the complete blocks of the test split; None without pairs of both kinds."""
    tables = [root / VALIDATED / f"{name}.parquet" for name in ("blocks", "blocks_unsure_pairs")]
    if not all(table.is_file() for table in tables):  # of a commit that knew no complete blocks
        return None
    found = build_complete_blocks(test, *map(read_table, tables))
    return found if found.measurable else None
