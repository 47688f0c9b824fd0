"""Checks before training that a backbone takes crops of the prepared side."""

import torch

from ml.core.errors import UserError
from ml.model.encoder import Encoder

PATCHES = (14, 16, 28, 32)  # pixels: sides of patches and windows of the networks of timm


def check_side(encoder: Encoder, side: int) -> None:
    """Checks that an encoder embeds square crops of a side; one empty crop is tried.

    Args:
        encoder: it is put in evaluation mode.
        side: in pixels.

    Raises:
        UserError: its backbone does not, or gives no square feature map; the message names sides
            near it that fit.
    """
    problem = _problem(encoder, side)
    if not problem:
        return
    native: int = encoder.backbone.pretrained_cfg["input_size"][1]  # type: ignore
    near = {side // patch * patch + more for patch in PATCHES for more in (0, patch)}
    fits = [str(one) for one in sorted({native, *near} - {0}) if not _problem(encoder, one)]
    hint = f"set prepare.side to {' or '.join(fits)}" if fits else "choose another backbone"
    cut = ""
    if encoder.part_count > 1 and encoder.params.slices_from == "picture":
        cut = ", nor with slices of the picture (train.encoder.slices_from: feature_map cuts none)"
    raise UserError(
        f"train.encoder.backbone: '{encoder.params.backbone}' does not work with crops of {side} "
        f"px{cut}: {problem}; {hint}"
    )


@torch.inference_mode()
def _problem(encoder: Encoder, side: int) -> str:
    """Says why crops of a side cannot be embedded; empty if they can."""
    crop = torch.zeros(1, 3, side, side, device=next(encoder.parameters()).device)
    encoder.eval()
    try:
        shape = encoder.feature_map(crop).shape
        encoder.parts(crop)
    except (AssertionError, RuntimeError, ValueError, AttributeError) as error:
        return str(error).strip().split("\n")[0].rstrip(".")
    if shape[1] != encoder.part_size or shape[2] != shape[3]:
        return f"it gives features of the shape {tuple(shape)[1:]}, which are no square map"
    return ""
