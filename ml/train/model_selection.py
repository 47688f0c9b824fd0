"""Which epoch's encoder is kept: the one that is best on the dev split."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score

from ml.data.annotations import build_annotations, without_selected
from ml.model.embedding import embed_pictures
from ml.model.encoder import Encoder


class DevCurve:
    """Computes block AP on the dev split after each epoch, so that overfitting shows early.

    Args:
        products, pairs: tables as `ml.prepare` leaves them.
        pictures: uint8 (products, height, width, 3), the crops of all products.
    """

    def __init__(self, products: pd.DataFrame, pairs: pd.DataFrame, pictures: np.ndarray) -> None:
        indices = np.flatnonzero(products["split"] == "dev")
        self.annotations = build_annotations(products.iloc[indices], without_selected(pairs))
        self.pictures = pictures[indices[self.annotations.indices]]

    def __call__(self, encoder: Encoder) -> float | None:
        """Returns block AP; None if the dev split has no pairs to compute it from."""
        if not self.annotations.complete:
            return None
        embeddings = embed_pictures(encoder, self.pictures)
        pairs = self.annotations.block_pairs
        similarity = (embeddings[pairs.left] * embeddings[pairs.right]).sum(axis=1)
        return float(average_precision_score(pairs.label, similarity))


class Best:
    """Keeps the encoder of the epoch with the best dev metric; without a metric, the last encoder.

    The loss of contrastive training still falls long after the metrics of unseen brands have
    stopped rising, so the last epoch is seldom the best. Epoch 0 (the initial weights) counts too:
    if training only does harm, the initial weights are kept.

    Args:
        kept: what an interrupted training had kept; None for a new training.

    Attributes:
        kept: {"epoch", "metric": value on dev or None, "encoder": state dict}.
    """

    def __init__(self, kept: dict[str, Any] | None = None) -> None:
        self.kept = kept or {"epoch": -1, "metric": None, "encoder": {}}

    def offer(self, epoch: int, metric: float | None, encoder: Encoder) -> None:
        """Keeps a copy of the encoder if its metric is higher than that of the kept encoder."""
        if self.kept["metric"] is None or (metric is not None and metric > self.kept["metric"]):
            weights = {
                name: value.detach().cpu().clone() for name, value in encoder.state_dict().items()
            }
            self.kept = {"epoch": epoch, "metric": metric, "encoder": weights}
