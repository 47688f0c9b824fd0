"""A small encoder and random views, for tests of training and serving."""

import torch

from ml.model.encoder import Encoder, EncoderParams

TINY = {
    "input": "rgb",
    "backbone": "mobilenetv3_small_050",
    "weights": "random",
    "frozen_batchnorm": True,
    "slices": "quadrants",
    "slices_from": "feature_map",
    "join": "concat",
    "mirror": False,
    "whitening": 0,
}


def tiny_encoder(**params: object) -> Encoder:
    """A seeded encoder with the params of `TINY`, of which `params` replaces some."""
    torch.manual_seed(0)
    return Encoder(EncoderParams(**{**TINY, **params}))


def random_views(count: int = 4, size: int = 64) -> list[torch.Tensor]:
    """Two seeded float32 (count, 3, size, size) in 0 … 1."""
    random = torch.Generator().manual_seed(1)
    return [torch.rand(count, 3, size, size, generator=random) for _ in range(2)]
