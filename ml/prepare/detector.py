"""Finds the product by a detection network: any of torchvision's detection models, by name."""

import threading
from argparse import Namespace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field
from safetensors.torch import load_file, save_file
from torch import nn
from torchvision.models import detection, get_model, get_model_weights, list_models

from ml.core.errors import UserError
from ml.core.files import replacing
from ml.core.params import Params
from ml.prepare.foreground import Box, Product, foreground

HUB = "hub"  # in place of a weights file
LOADING = threading.Lock()  # pictures are cropped in threads; the first loads the network for all


class DetectorParams(Params):
    """The params under `prepare.detector` in params.yaml."""

    model: str = Field(description="name of a model in torchvision.models.detection")
    weights: str = Field(
        description="'hub' (torchvision's own, fetched once) or a .pth or .safetensors file"
    )
    classes: int = Field(
        ge=2, description="number of classes of the weights, the background included"
    )
    score: float = Field(ge=0, le=1, description="boxes with a lower score are not used")
    fits: dict[int | str, Literal["any"] | tuple[str, ...]] = Field(
        description="class (index, or name in torchvision's own weights) → article types of it"
    )


def detect(picture: np.ndarray, how: DetectorParams, *, article_type: str) -> Product:
    """Finds the box with the best score of a class that fits the article type.

    Args:
        picture: uint8 (height, width, 3), RGB.

    Returns:
        The box rounded to pixels, with a mask that is true on the foreground inside the box, or on
        the whole box if no foreground is inside. If no box fits, the foreground alone.

    Raises:
        UserError: the network cannot be loaded (see `load_detector`), or it lacks a class of
            `fits`.
    """
    found = foreground(picture)
    box = best_box(picture, how, article_type)
    if box is None:
        return found
    left, top, right, bottom = box
    inside = np.zeros_like(found.mask)
    inside[top:bottom, left:right] = True
    mask = found.mask & inside
    return Product(box, mask if mask.any() else inside)


def best_box(picture: np.ndarray, how: DetectorParams, article_type: str) -> Box | None:
    """Returns the box of `detect`, or None if no box fits."""
    network = load_detector(how.model, how.weights, how.classes)
    shows = {class_index(name, how): types for name, types in how.fits.items()}
    fitting = [
        index
        for index, types in shows.items()
        if types == "any" or article_type.casefold() in map(str.casefold, types)
    ]
    pixels = torch.from_numpy(picture.copy()).permute(2, 0, 1).float() / 255
    with torch.inference_mode():
        seen = network([pixels])[0]
    height, width, _ = picture.shape
    # torchvision sorts boxes by descending score.
    for edges, label, score in zip(
        seen["boxes"].tolist(), seen["labels"].tolist(), seen["scores"].tolist(), strict=True
    ):
        left, top, right, bottom = (round(edge) for edge in edges)
        left, top, right, bottom = max(0, left), max(0, top), min(width, right), min(height, bottom)
        if label in fitting and score >= how.score and left < right and top < bottom:
            return left, top, right, bottom
    return None


def class_index(name: int | str, how: DetectorParams) -> int:
    """Returns the index of a class, given as an index or, for torchvision's own classes, a name.

    Raises:
        UserError: the class does not exist.
    """
    if str(name).isdigit() and 0 < int(name) < how.classes:
        return int(name)
    names = own_weights(how.model).meta["categories"]
    if len(names) == how.classes and name in names:
        return int(names.index(name))
    raise UserError(
        f"prepare.detector.fits: the detector has no class '{name}': give its index, 1 … "
        f"{how.classes - 1} (0 is the background), or, with torchvision's own {len(names)} "
        f"classes, one of: {', '.join(names[1:])}"
    )


@cache
def _load(model: str, weights: str, classes: int) -> nn.Module:
    if model not in list_models(module=detection):
        raise UserError(
            f"prepare.detector.model: torchvision has no detection model '{model}'; there is "
            f"{', '.join(list_models(module=detection))}"
        )
    state = _from_hub(model, classes) if weights == HUB else _from_file(Path(weights))
    network = get_model(model, weights=None, weights_backbone=None, num_classes=classes)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        wrong = "\n".join(str(error).splitlines()[:4])
        raise UserError(
            f"prepare.detector.weights: '{weights}' does not fit the model '{model}' with "
            f"{classes} classes; correct prepare.detector.model or prepare.detector.classes "
            f"(background included). Message of torch: {wrong}"
        ) from error
    return network.eval()


def load_detector(model: str, weights: str, classes: int) -> nn.Module:
    """Loads the network with its weights on the CPU, once per process.

    Raises:
        UserError: the model is unknown, or the weights cannot be had (no network, no such file),
            are damaged or do not fit.
    """
    with LOADING:
        return _load(model, weights, classes)


def save_detector(how: DetectorParams | None, path: Path) -> None:
    """Writes the weights as safetensors, to be kept with a model; for None, without tensors."""
    state = load_detector(how.model, how.weights, how.classes).state_dict() if how else {}
    with replacing(path) as beside:
        save_file({name: value.contiguous() for name, value in state.items()}, beside)


def own_weights(model: str) -> Any:
    """Returns torchvision's own weights of a model, with `url` and class names in `meta`."""
    return get_model_weights(model)["DEFAULT"]


def _from_hub(model: str, classes: int) -> dict[str, torch.Tensor]:
    own = own_weights(model)
    count = len(own.meta["categories"])
    if count != classes:
        raise UserError(
            f"prepare.detector.classes is {classes}, but torchvision's weights of '{model}' "
            f"have {count}"
        )
    try:
        return own.get_state_dict(progress=False, check_hash=True)
    except Exception as error:  # no network, a proxy's page instead of the file, a full disk
        raise UserError(
            f"weights for '{model}' cannot be fetched from {own.url} ({type(error).__name__}). "
            "Without network, download that file elsewhere and name it in "
            "prepare.detector.weights, or use prepare.localizer: foreground"
        ) from error


def _from_file(path: Path) -> dict[str, torch.Tensor]:
    if not path.is_file():
        raise UserError(f"prepare.detector.weights: '{path}' is neither '{HUB}' nor a file")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        # Checkpoints of torchvision's reference training also hold its arguments.
        with torch.serialization.safe_globals([Namespace]):
            state: Any = torch.load(path, "cpu", weights_only=True)
    except Exception as error:  # cut short, another format, a pickle of something else
        raise UserError(
            f"prepare.detector.weights: '{path}' cannot be read as a state dict: save one with "
            "torch.save(model.state_dict(), FILE)"
        ) from error
    return state.get("model", state)  # such a checkpoint holds the state dict as "model"
