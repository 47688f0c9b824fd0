"""Backbones: networks of timm by name, and their feature maps."""

import timm
import torch
from torch import nn

from ml.core.errors import UserError
from ml.model.network import create_network


def build_backbone(name: str, weights: str) -> nn.Module:
    """Builds a feature extractor without a classifier.

    Args:
        name: name of a timm model, with or without the tag of its weights, such as "resnet18" or
            "vit_small_patch16_dinov3.lvd1689m".
        weights: "imagenet" (from an installed package that carries them, else those that timm
            publishes for the name), "random", "hf-hub:ORG/NAME" with or without "@REVISION" (timm's
            or open_clip's files), or the path of a .safetensors or .pth file with the state dict of
            timm, open_clip or the network's authors.

    Returns:
        A module for `feature_map`.

    Raises:
        UserError: the name is unknown, or the weights cannot be had (no network, no such file) or
            do not fit.
    """
    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture) or (tag and name not in timm.list_pretrained()):
        known = timm.list_pretrained(f"{architecture}.*") if tag else []
        near = known or timm.list_models(f"*{name.split('_')[0]}*")[:5]
        close = ", ".join(near) or "timm.list_models() lists them"
        raise UserError(f"train.encoder.backbone: timm has no model '{name}'; there is {close}")
    if weights == "random":
        return create_network(name)
    from ml.model.pretrained import pretrained_backbone  # which no registered model carries

    return pretrained_backbone(name, weights)


def feature_map(backbone: nn.Module, pictures: torch.Tensor) -> torch.Tensor:
    """Maps pictures to features, whatever the architecture of the backbone.

    The tokens of a transformer are put back on the grid of their patches. Tokens of the class and
    of registers are dropped: they stand for no place, so that no slice could be made of them.

    Args:
        backbone: what `build_backbone` returned.
        pictures: float (batch, 3, height, width), normalised.

    Returns:
        float (batch, backbone.num_features, rows, columns).
    """
    features = backbone.forward_features(pictures)  # type: ignore[operator]
    if features.ndim == 3:
        tokens = features[:, getattr(backbone, "num_prefix_tokens", 0) :]
        rows = round((tokens.shape[1] * pictures.shape[2] / pictures.shape[3]) ** 0.5)
        return tokens.transpose(1, 2).unflatten(2, (rows, -1))
    if getattr(backbone, "output_fmt", "NCHW") == "NHWC":
        return features.permute(0, 3, 1, 2)
    return features


def channel_statistics(backbone: nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns the mean and standard deviation of pixels with which the weights were trained.

    Both are float32 (3, 1, 1), for pixels in 0 … 1.
    """
    config = backbone.pretrained_cfg
    return torch.tensor(config["mean"]).view(3, 1, 1), torch.tensor(config["std"]).view(3, 1, 1)  # type: ignore[index]
