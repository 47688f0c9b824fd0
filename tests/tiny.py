"""A network that is quick to make and to run, for tests of what is built around it."""

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
}


def tiny_encoder(**params: object) -> Encoder:
    torch.manual_seed(0)
    return Encoder(EncoderParams(**{**TINY, **params}))


def random_views(count: int = 4, size: int = 64) -> list[torch.Tensor]:
    random = torch.Generator().manual_seed(1)
    return [torch.rand(count, 3, size, size, generator=random) for _ in range(2)]
