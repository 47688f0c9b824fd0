"""Finds the part of a person that shows the product, such as the feet for shoes."""

from collections.abc import Mapping

import numpy as np
from pydantic import Field, model_validator

from ml.core.params import Params
from ml.prepare.foreground import Product, box_around, extent, foreground

# Measured on 1,100 real photos: heads are 0.3 … 0.46 as wide as the silhouette, the tops of tall
# garments 0.6 and more. Garments are as narrow at a hood, if they are not tall, or at the two
# straps of a dress, with a gap between them.
SEEN = 0.5  # the picture shows at least this share of a standing person's height
HEAD = 0.08  # this share of the height, from the crown down, holds the head and no shoulder
NARROW = 0.5  # a head is at most this share of the silhouette's width
SOLID = 0.7  # a head fills at least this share of its lines between their left and right edges


class RegionParams(Params):
    """One part of a standing person, under `prepare.regions` in params.yaml."""

    top: float = Field(
        ge=0,
        lt=1,
        description="its upper edge, as a share of a standing person's height from the crown",
    )
    bottom: float = Field(gt=0, le=1, description="its lower edge, likewise")
    article_types: tuple[str, ...] = Field(
        description="article types that are worn there; upper and lower case are alike"
    )

    @model_validator(mode="after")
    def _not_empty(self) -> "RegionParams":
        if self.top >= self.bottom:
            raise ValueError("top must be above bottom: a smaller share")
        return self


def find_region(
    picture: np.ndarray,
    regions: Mapping[str, RegionParams],
    person_ratio: float,
    *,
    article_type: str,
) -> Product:
    """Finds the foreground and cuts it to the part of a person on which the article type is worn.

    The foreground is cut only if it looks like a person, upright and with a head, and holds that
    part. Everything else stays whole, such as a garment alone, a wearer without a head, or an
    article type of no region.

    Args:
        picture: uint8 (height, width, 3).
        person_ratio: height of a standing person over its width. It gives the whole height of a
            person that the picture's edge cuts off, from the silhouette's width.
    """
    found = foreground(picture)
    worn = [
        part
        for part in regions.values()
        if article_type.casefold() in map(str.casefold, part.article_types)
    ]
    height = person_height(found.mask, person_ratio)
    if not worn or height is None:
        return found
    crown = extent(found.mask)[1]
    kept = found.mask.copy()
    kept[: crown + round(worn[0].top * height)] = False
    kept[crown + round(worn[0].bottom * height) :] = False
    return Product(box_around(kept), kept) if kept.any() else found


def person_height(mask: np.ndarray, person_ratio: float) -> float | None:
    """Estimates the height of a person, in pixels.

    Args:
        mask: bool (height, width), the silhouette; not empty.

    Returns:
        The height that the silhouette has or, if it is cut off below, would have as a whole; None
        if it is no person.
    """
    left, top, right, bottom = extent(mask)
    whole = max(bottom - top, person_ratio * (right - left))
    head = mask[top : top + max(1, round(HEAD * whole))]
    widths = [columns[-1] + 1 - columns[0] for columns in map(np.flatnonzero, head) if len(columns)]
    upright = bottom - top >= SEEN * whole
    is_head = max(widths) <= NARROW * (right - left) and head.sum() >= SOLID * sum(widths)
    return float(whole) if upright and is_head else None
