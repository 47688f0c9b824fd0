"""The encoder: pictures to one embedding, made of the whole garment and of its slices."""

import json
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional

from ml.backbones import build_backbone, channel_statistics
from ml.colour import LUMINANCE
from ml.files import read_json, replacing, write_json
from ml.params import Params

# Each slice as (top, bottom, left, right) in shares of the feature map's height and width.
WHOLE = (0.0, 1.0, 0.0, 1.0)
SLICES: dict[str, list[tuple[float, float, float, float]]] = {
    "none": [],
    "halves": [(0, 0.5, 0, 1), (0.5, 1, 0, 1), (0, 1, 0, 0.5), (0, 1, 0.5, 1)],
    "quadrants": [(0, 0.5, 0, 0.5), (0, 0.5, 0.5, 1), (0.5, 1, 0, 0.5), (0.5, 1, 0.5, 1)],
}


class EncoderParams(Params):
    """The knobs under `train.encoder` in params.yaml."""

    input: Literal["luminance", "rgb"] = Field(description="what of a picture is looked at")
    backbone: str = Field(description="timm name of a network with a convolutional feature map")
    weights: str = Field(description="'imagenet', 'random' or a weights file")
    frozen_batchnorm: bool = Field(description="keep the running statistics of the weights instead of each batch's")
    slices: Literal["none", "halves", "quadrants"]
    join: Literal["concat", "mean"] = Field(description="how parts become one embedding")


class Encoder(nn.Module):
    """A backbone whose feature map is pooled as a whole and slice by slice (PBCNet, arXiv 2104.08581, section 3).

    Slices are cut from the last feature map, not from the picture: one forward pass serves all of them. Embeddings are
    centered on the mean embedding of the training products (`center`, zero until it is set): what all garments have in
    common says nothing about which are variants, and crowds all cosines near 1.

    With `input: luminance` colour is dropped before the backbone: no training is spent on forgetting it.
    """

    luminance: torch.Tensor
    mean: torch.Tensor
    std: torch.Tensor
    center: torch.Tensor

    def __init__(self, params: EncoderParams) -> None:
        super().__init__()
        self.params = params
        self.backbone = build_backbone(params.backbone, params.weights)
        self.regions = [WHOLE, *SLICES[params.slices]]
        mean, std = channel_statistics(self.backbone)
        self.register_buffer("luminance", torch.tensor(LUMINANCE).view(3, 1, 1), persistent=False)
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("std", std, persistent=False)
        self.part_size: int = self.backbone.num_features  # type: ignore[assignment]
        self.register_buffer("center", torch.zeros(self.size))

    @property
    def size(self) -> int:
        """Length of the joined embedding."""
        return self.part_size * (len(self.regions) if self.params.join == "concat" else 1)

    def train(self, mode: bool = True) -> "Encoder":
        """Training mode, in which frozen batch normalisation stays in evaluation mode.

        With statistics of each batch, a query and its key share what tells them from the queue (the leak that MoCo's
        shuffled batch normalisation is for), and the embeddings of single pictures would use other statistics still.
        """
        super().train(mode)
        if self.params.frozen_batchnorm:
            for module in self.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self

    def parts(self, pictures: torch.Tensor) -> torch.Tensor:
        """Pools the feature map over the whole and over each slice.

        Args:
            pictures: float (batch, 3, height, width), RGB in 0 … 1.

        Returns:
            float (batch, 1 + slices, part_size), not normalised.
        """
        if self.params.input == "luminance":
            pictures = (pictures * self.luminance).sum(dim=1, keepdim=True).expand(-1, 3, -1, -1)
        pictures = ((pictures - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        features = self.backbone.forward_features(pictures)  # type: ignore[operator]
        height, width = features.shape[-2:]
        pooled = []
        for top, bottom, left, right in self.regions:
            rows, columns = _span(top, bottom, height), _span(left, right, width)
            pooled.append(features[:, :, rows, columns].mean(dim=(2, 3)))
        return torch.stack(pooled, dim=1)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Embeds pictures.

        Args:
            pictures: float (batch, 3, height, width), RGB in 0 … 1.

        Returns:
            float32 (batch, size), each row of length 1.
        """
        return functional.normalize(self.joined(pictures) - self.center, dim=1)

    def joined(self, pictures: torch.Tensor) -> torch.Tensor:
        """What `forward` centers: float32 (batch, size), each row of length 1."""
        parts = functional.normalize(self.parts(pictures).float(), dim=2)
        joined = parts.flatten(1) if self.params.join == "concat" else parts.mean(dim=1)
        return functional.normalize(joined, dim=1)


def save_encoder(encoder: Encoder, facts: dict[str, Any], folder: Path) -> None:
    """Writes encoder.safetensors, and encoder.json with what is needed to build the encoder again and `facts` besides."""
    with replacing(folder / "encoder.safetensors") as beside:
        save_file({name: value.cpu().contiguous() for name, value in encoder.state_dict().items()}, beside)
    write_json(folder / "encoder.json", {"encoder": json.loads(encoder.params.model_dump_json()), **facts})


def load_encoder(folder: Path) -> tuple[Encoder, dict[str, Any]]:
    """The encoder that `save_encoder` wrote, and the whole content of its encoder.json."""
    facts = read_json(folder / "encoder.json")
    encoder = Encoder(EncoderParams(**{**facts["encoder"], "weights": "random"}))
    encoder.load_state_dict(load_file(folder / "encoder.safetensors"))
    return encoder.to(memory_format=torch.channels_last).eval(), facts


def _span(start: float, stop: float, length: int) -> slice:
    """A share of `length` cells, at least one; halves of an odd length overlap in the middle cell."""
    first = min(int(start * length), length - 1)
    return slice(first, max(first + 1, -int(-stop * length // 1)))
