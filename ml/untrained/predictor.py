"""Groups a catalogue by ImageNet features, which are whitened on the catalogue itself."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import torch

from ml.core.device import exact
from ml.core.files import write_json
from ml.grouping.grouping import ClusteringName
from ml.model.encoder import Encoder, EncoderParams, save_encoder
from ml.serve.predictor import Embedded, Predictor
from ml.untrained.first_groups import threshold_of
from ml.untrained.whitening import half_whitened

THREADS = 2  # embeddings depend on the number in their last bits
ENCODER = EncoderParams(
    input="luminance",
    backbone="tf_efficientnet_lite0",
    weights="imagenet",
    frozen_batchnorm=True,
    slices="none",
    slices_from="feature_map",
    join="concat",
    mirror=False,
    whitening=0,
)
CROP = {"side": 192, "localizer": "foreground"}  # what was measured, whatever params.yaml says
CLUSTERING: ClusteringName = "complete"
BLOCK_PRIOR = 10.0  # products; see `ml.data.blocks.relative_to_block`


class UntrainedPredictor(Predictor):
    """A predictor whose embeddings are whitened on the table that it is asked about.

    Give it whole catalogues. It has no calibration, so that scores are NaN: a similarity means
    another probability in each size of catalogue.
    """

    def relative(self, products: pd.DataFrame, embedded: Embedded) -> np.ndarray:
        """Whitens the embeddings of readable pictures; otherwise as `Predictor.relative`."""
        good = embedded.readable
        whitened = np.zeros_like(embedded.embeddings)
        if good.any():
            whitened[good] = half_whitened(embedded.embeddings[good])
        return super().relative(products, replace(embedded, embeddings=whitened))

    def group(
        self, products: pd.DataFrame, embedded: Embedded, threshold: float | None = None
    ) -> pd.DataFrame:
        """Groups products as `Predictor.group`, at the threshold for this size of catalogue."""
        if threshold is None:
            threshold = threshold_of(max(1, int(embedded.readable.sum())))
        return super().group(products, embedded, threshold)


def untrained_predictor() -> UntrainedPredictor:
    """Makes the untrained predictor; it makes torch repeatable for the whole process."""
    exact(THREADS)
    with TemporaryDirectory() as name:
        folder = Path(name)
        encoder = Encoder(ENCODER).to(memory_format=torch.channels_last)
        save_encoder(encoder, {"prepare": CROP}, folder)
        write_json(
            folder / "grouping.json",
            {
                "method": CLUSTERING,
                "threshold": threshold_of(1),
                "block_prior": BLOCK_PRIOR,
                "calibration": None,
                "publish": None,
            },
        )
        return UntrainedPredictor(folder)
