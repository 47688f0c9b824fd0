"""The encoder joins features of the whole garment and of its slices into one embedding."""

import json
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field
from safetensors.torch import load_file, save
from torch import nn
from torch.nn import functional

from ml.core.files import read_json, replacing, write_json
from ml.core.params import Params
from ml.model.backbones import build_backbone, channel_statistics, feature_map
from ml.model.luminance import gray_levels

Region = tuple[float, float, float, float]  # top, bottom, left, right in shares of height and width
WHOLE: Region = (0.0, 1.0, 0.0, 1.0)
SLICES: dict[str, list[Region]] = {
    "none": [],
    "halves": [(0, 0.5, 0, 1), (0.5, 1, 0, 1), (0, 1, 0, 0.5), (0, 1, 0.5, 1)],
    "quadrants": [(0, 0.5, 0, 0.5), (0, 0.5, 0.5, 1), (0.5, 1, 0, 0.5), (0.5, 1, 0.5, 1)],
    # These were drawn once, with sides of 0.4 … 0.7 at any place. They are the same for every
    # model, so that embeddings can be compared.
    "random": [
        (0.32, 0.97, 0.36, 0.92),
        (0.07, 0.58, 0.05, 0.63),
        (0.49, 0.93, 0.17, 0.61),
        (0.21, 0.66, 0.27, 0.95),
    ],
}


class EncoderParams(Params):
    """The params under `train.encoder` in params.yaml."""

    input: Literal["luminance", "rgb"] = Field(
        description="whether the backbone gets the luminance of a picture or its colours"
    )
    backbone: str = Field(description="timm name of a network, such as resnet18")
    weights: str = Field(description="'imagenet', 'random', 'hf-hub:ORG/NAME' or a weights file")
    frozen_batchnorm: bool = Field(
        description="keep the running statistics of the weights instead of each batch's"
    )
    slices: Literal["none", "halves", "quadrants", "random"]
    slices_from: Literal["feature_map", "picture"] = Field(
        description="where slices are cut; those of pictures cost a forward pass each"
    )
    join: Literal["concat", "mean"] = Field(description="how parts become one embedding")
    mirror: bool = Field(
        description="embed the mirror image too, and join both; doubles the time of embedding"
    )
    whitening: int = Field(
        ge=0,
        description="principal components that whitened embeddings keep; 0: embeddings are "
        "centered only",
    )


class Encoder(nn.Module):
    """A backbone for the whole picture and its slices (PBCNet, arXiv 2104.08581, section 3).

    Slices of the last feature map share one forward pass. Slices of the picture hold nothing of
    their neighbours, and each costs a pass of its own size. Embeddings are centered on the mean
    embedding of the training products (`center`, zero until it is set), since what all garments
    have in common does not tell variants apart and brings all cosines near 1. Then they are
    whitened (`projection`, see `ml.model.whitening`), if `whitening` is not 0.

    With `input: luminance` colour is dropped before the backbone, so that training need not remove
    it.
    """

    mean: torch.Tensor
    std: torch.Tensor
    center: torch.Tensor
    projection: torch.Tensor | None

    def __init__(self, params: EncoderParams) -> None:
        super().__init__()
        self.params = params
        self.backbone = build_backbone(params.backbone, params.weights)
        self.regions = [WHOLE, *SLICES[params.slices]]
        mean, std = channel_statistics(self.backbone)
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("std", std, persistent=False)
        self.part_size: int = self.backbone.num_features  # type: ignore[assignment]
        self.register_buffer("center", torch.zeros(self.joined_size))
        kept = min(params.whitening, self.joined_size)
        self.register_buffer("projection", torch.eye(self.joined_size, kept) if kept else None)

    @property
    def part_count(self) -> int:
        """The number of parts: the whole and its slices."""
        return len(self.regions)

    @property
    def joined_size(self) -> int:
        """The length of the joined parts."""
        return self.part_size * (len(self.regions) if self.params.join == "concat" else 1)

    @property
    def size(self) -> int:
        """The length of an embedding."""
        return self.joined_size if self.projection is None else self.projection.shape[1]

    def train(self, mode: bool = True) -> "Encoder":
        """Sets the mode; frozen batch normalisation stays in evaluation mode.

        Statistics of each batch would be shared by a query and its key, and would so tell the key
        from the queue (MoCo shuffles batch normalisation against this leak). The embeddings of
        single pictures would use yet other statistics.
        """
        super().train(mode)
        if self.params.frozen_batchnorm:
            for module in self.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self

    def whole(self, pictures: torch.Tensor) -> torch.Tensor:
        """Pools the feature map of whole `pictures` (see `parts`): float (batch, part_size)."""
        return _pool(self.feature_map(pictures), WHOLE)

    def feature_map(self, pictures: torch.Tensor) -> torch.Tensor:
        """Maps `pictures` (see `parts`) to features: float (batch, part_size, rows, columns)."""
        return self._features(self._prepared(pictures))

    def parts(self, pictures: torch.Tensor) -> torch.Tensor:
        """Computes features of the whole and of each slice.

        Args:
            pictures: float (batch, 3, height, width), RGB in 0 … 1.

        Returns:
            float (batch, 1 + slices, part_size), not normalised.
        """
        prepared = self._prepared(pictures)
        return self._pooled(prepared, self._features(prepared), self.regions)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Embeds pictures.

        Args:
            pictures: float (batch, 3, height, width), RGB in 0 … 1.

        Returns:
            float32 (batch, size), each embedding of length 1.
        """
        centered = self.joined(pictures) - self.center
        return functional.normalize(
            centered if self.projection is None else centered @ self.projection, dim=1
        )

    def joined(self, pictures: torch.Tensor) -> torch.Tensor:
        """Joins the parts, before centering: float32 (batch, joined_size), each of length 1."""
        if self.params.mirror and not self.training:
            # Both views share one pass. A slice's mirror image is at the mirrored place.
            mirrored = [
                (top, bottom, 1 - right, 1 - left) for top, bottom, left, right in self.regions
            ]
            views = self._prepared(torch.stack([pictures, pictures.flip(3)], dim=1).flatten(0, 1))
            features = self._features(views)
            views, features = (torch.unflatten(each, 0, (-1, 2)) for each in (views, features))
            own = self._pooled(views[:, 0], features[:, 0], self.regions)
            other = self._pooled(views[:, 1], features[:, 1], mirrored)
            parts = functional.normalize(
                functional.normalize(own.float(), dim=2)
                + functional.normalize(other.float(), dim=2),
                dim=2,
            )
        else:
            parts = functional.normalize(self.parts(pictures).float(), dim=2)
        joined = parts.flatten(1) if self.params.join == "concat" else parts.mean(dim=1)
        return functional.normalize(joined, dim=1)

    def _prepared(self, pictures: torch.Tensor) -> torch.Tensor:
        if self.params.input == "luminance":
            pictures = gray_levels(pictures).expand(-1, 3, -1, -1)
        return (pictures - self.mean) / self.std

    def _features(self, prepared: torch.Tensor) -> torch.Tensor:
        return feature_map(self.backbone, prepared.contiguous(memory_format=torch.channels_last))

    def _pooled(
        self, prepared: torch.Tensor, features: torch.Tensor, regions: list[Region]
    ) -> torch.Tensor:
        if self.params.slices_from == "feature_map":
            pooled = [_pool(features, region) for region in regions]
        else:
            pooled = [_pool(features, WHOLE)]
            pooled += [
                _pool(self._features(cut(prepared, region)), WHOLE) for region in regions[1:]
            ]
        return torch.stack(pooled, dim=1)


def save_encoder(encoder: Encoder, facts: dict[str, Any], folder: Path) -> None:
    """Writes encoder.safetensors (weights) and encoder.json (the encoder's params, and `facts`)."""
    with replacing(folder / "encoder.safetensors") as beside:
        beside.write_bytes(
            save({name: value.cpu().contiguous() for name, value in encoder.state_dict().items()})
        )
    write_json(
        folder / "encoder.json", {"encoder": json.loads(encoder.params.model_dump_json()), **facts}
    )


def load_encoder(folder: Path) -> tuple[Encoder, dict[str, Any]]:
    """Loads what `save_encoder` wrote: the encoder, and the whole content of encoder.json."""
    facts = read_json(folder / "encoder.json")
    encoder = Encoder(EncoderParams(**{**facts["encoder"], "weights": "random"}))
    load_state(encoder, load_file(folder / "encoder.safetensors"))
    return encoder.to(memory_format=torch.channels_last).eval(), facts


def load_state(encoder: Encoder, state: dict[str, torch.Tensor]) -> None:
    """Loads the state of an encoder with the same params, in place."""
    if encoder.projection is not None:  # a small shop's keeps all components
        shape = state["projection"].shape
        encoder.projection = encoder.projection.new_empty(shape)
    encoder.load_state_dict(state)


def _pool(features: torch.Tensor, region: Region) -> torch.Tensor:
    return cut(features, region).mean(dim=(2, 3))


def cut(picture: torch.Tensor, region: Region) -> torch.Tensor:
    """Returns a region of pictures or feature maps (batch, channels, height, width), as a view."""
    top, bottom, left, right = region
    return picture[:, :, _span(top, bottom, picture.shape[2]), _span(left, right, picture.shape[3])]


def _span(start: float, stop: float, length: int) -> slice:
    """Returns a share of `length` cells, at least one; odd halves overlap in the middle cell."""
    first = min(int(start * length), length - 1)
    return slice(first, max(first + 1, -int(-stop * length // 1)))
