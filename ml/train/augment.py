"""Augmentations that make colour variants: they change colour and pose, and nothing else.

Colour variants look like colour-jitter augmentations of one another (arXiv 2104.08581, section 1).
Black, white and pastel colourways of one design differ in luminance far more than jitter of the hue
does, so luminance is changed by a curve of its own. Everything is arithmetic on batches of tensors,
on the CPU and on a GPU alike.
"""

import math

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from ml.core.params import Params
from ml.model.luminance import LUMINANCE
from ml.train.batches import Batch

LIKE = 0.15  # distance in RGB (0 … 1 each) at which a colour begins to count as another
# Random points, of which the first on the product is used. If the product covers a tenth of the
# picture, all of them miss it in one of five cases.
TRIES = 16
KEEP = 0.3  # share of the parts that keep their colour


class AugmentParams(Params):
    """The params under `train.augment` in params.yaml."""

    hue: float = Field(
        ge=0, le=1, description="largest turn of the hues, as a share of the full colour circle"
    )
    saturation: float = Field(ge=0, description="largest factor of the saturation; the least is 0")
    gamma: float = Field(ge=1, description="largest power of the luminance; the least is 1/gamma")
    invert: float = Field(ge=0, le=1, description="probability that light and dark change places")
    tint: float = Field(ge=0, le=1, description="largest colour cast added to the mid-tones")
    parts: float = Field(
        ge=0,
        le=1,
        description="probability that the parts of one colour change on their own",
    )
    scale: float = Field(ge=0, lt=1, description="largest zoom, as a share")
    shift: float = Field(ge=0, lt=1, description="largest shift, as a share of the side")
    rotate: float = Field(ge=0, le=180, description="largest rotation, in degrees")
    flip: bool = Field(
        description="mirror half of the products, both views alike, so that slices correspond"
    )


def make_views(
    batch: Batch, params: AugmentParams, random: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Makes two views of each product, the second one from the picture of its variant.

    Both views are recoloured and moved independently, and mirrored together.

    Args:
        batch: masks are 0 on the background and 255 on the product.
        params: the strength of the augmentation.
        random: generator on the device of the pictures, the only source of chance.

    Returns:
        Two float32 tensors (batch, 3, height, width) in 0 … 1.
    """
    count, device = len(batch.pictures), batch.pictures.device
    mirror = torch.rand(count, generator=random, device=device) < 0.5
    if not params.flip:
        mirror = torch.zeros_like(mirror)
    sign = torch.where(mirror, -1.0, 1.0)

    def view(pictures: Tensor, masks: Tensor) -> Tensor:
        plain = pictures.permute(0, 3, 1, 2).float().div_(255)
        product = masks.unsqueeze(1).float().div_(255)
        return move(recolour(plain, product, params, random), sign, params, random)

    return view(batch.pictures, batch.masks), view(batch.variants, batch.variant_masks)


def recolour(
    pictures: Tensor, masks: Tensor, params: AugmentParams, random: torch.Generator
) -> Tensor:
    """Makes another colourway: hue, saturation, luminance and tint of the product change.

    The background stays. With the probability `params.parts`, everything of one colour of the
    product (a stripe, a print, a sole) changes on its own or keeps its colour, so that light on
    dark may become dark on light.

    Args:
        pictures: float (batch, 3, height, width) in 0 … 1.
        masks: float (batch, 1, height, width), 1 on the product.
        params: the strength of the augmentation.
        random: generator on the device of the pictures.

    Returns:
        float (batch, 3, height, width) in 0 … 1.
    """
    toned = _tone(pictures, params, random)
    apart = torch.rand(len(pictures), generator=random, device=pictures.device) < params.parts
    if params.parts:
        some = pictures[apart]
        kept = torch.rand(len(some), 1, 1, 1, generator=random, device=pictures.device) < KEEP
        own = torch.where(kept, some, _tone(some, params, random))
        toned[apart] = _mix(toned[apart], own, _part(some, masks[apart], random))
    return _mix(pictures, toned, masks)


def _part(pictures: Tensor, masks: Tensor, random: torch.Generator) -> Tensor:
    """Computes how much each pixel has the colour of one point of the product, drawn evenly.

    Returns:
        float (batch, 1, height, width) in 0 … 1.
    """
    flat = masks.flatten(1)
    points = torch.randint(flat.shape[1], (len(flat), TRIES), generator=random, device=flat.device)
    on_product = (flat.gather(1, points) > 0.5).byte()
    first = on_product.argmax(1, keepdim=True)  # index 0 if no point is on the product
    place = points.gather(1, first)
    colour = pictures.flatten(2).gather(2, place.unsqueeze(1).expand(-1, 3, -1)).unsqueeze(3)
    distance = (pictures - colour).square_().sum(1, keepdim=True)
    return distance.mul_(-1 / (2 * LIKE**2)).exp_()


def _mix(first: Tensor, second: Tensor, share: Tensor) -> Tensor:
    """Interpolates from the first to the second by `share`; it overwrites the second.

    torch.lerp is slow if shares are broadcast.
    """
    return second.sub_(first).mul_(share).add_(first)


def _tone(pictures: Tensor, params: AugmentParams, random: torch.Generator) -> Tensor:
    """Changes the colour of each whole picture once: float (batch, 3, height, width) in 0 … 1."""

    def uniform(low: float, high: float) -> Tensor:
        return (
            torch.rand(len(pictures), 1, 1, generator=random, device=pictures.device) * (high - low)
            + low
        )

    weights = torch.tensor([LUMINANCE], device=pictures.device)
    to_chroma = torch.eye(3, device=pictures.device) - weights  # each channel less the luminance
    turned = (
        hue_rotation(uniform(-math.pi, math.pi) * params.hue)
        @ to_chroma
        * uniform(0, params.saturation)
    )
    matrix = torch.cat([turned, weights.expand(len(pictures), 1, 3)], dim=1)
    linear = torch.bmm(matrix, pictures.flatten(2))  # one pass for chroma and luminance
    chroma, curve = linear[:, :3], linear[:, 3:]
    curve = curve.clamp(1e-4, 1).pow_(torch.exp(uniform(-1, 1) * math.log(params.gamma)))
    inverted = (uniform(0, 1) < params.invert).float()
    curve = torch.addcmul(inverted, curve, 1 - 2 * inverted)
    cast = torch.rand(len(pictures), 3, 1, generator=random, device=pictures.device) * 2 - 1
    toned = torch.addcmul(chroma + curve, curve * (1 - curve), 4 * params.tint * cast)
    return toned.clamp_(0, 1).view_as(pictures)


def move(pictures: Tensor, sign: Tensor, params: AugmentParams, random: torch.Generator) -> Tensor:
    """Changes the pose of each picture: zoom, shift and rotation, drawn independently.

    Args:
        pictures: float (batch, 3, height, width) in 0 … 1.
        sign: float (batch,), −1 mirrors left and right, 1 does not.
        params: the strength of the augmentation.
        random: generator on the device of the pictures.

    Returns:
        float (batch, 3, height, width) in 0 … 1.
    """

    def uniform(most: float) -> Tensor:
        return (torch.rand(len(pictures), generator=random, device=pictures.device) * 2 - 1) * most

    angle, zoom = uniform(math.radians(params.rotate)), 1 + uniform(params.scale)
    cosine, sine = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    across, down = uniform(2 * params.shift), uniform(2 * params.shift)
    entries = [cosine * sign, -sine, across, sine * sign, cosine, down]
    transform = torch.stack(entries, dim=1).view(-1, 2, 3)
    grid = functional.affine_grid(transform, list(pictures.shape), align_corners=False)
    return functional.grid_sample(pictures, grid, padding_mode="border", align_corners=False)


def hue_rotation(angle: Tensor) -> Tensor:
    """Builds matrices that turn colours about the gray axis.

    Source: Rodrigues' formula for the axis (1, 1, 1)/√3.

    Args:
        angle: float (batch, 1, 1), in radians.

    Returns:
        float (batch, 3, 3).
    """
    device = angle.device
    across = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]], device=device) / math.sqrt(3)
    one, along = torch.eye(3, device=device), torch.full((3, 3), 1 / 3, device=device)
    cosine, sine = torch.cos(angle), torch.sin(angle)
    return cosine * one + sine * across + (1 - cosine) * along
