"""The part of a person that shows the product: shirts are worn above, trousers below, shoes at the feet."""

from collections.abc import Mapping

import numpy as np
from pydantic import Field, model_validator

from ml.core.params import Params
from ml.prepare.foreground import Product, box_around, extent, foreground

# Seen on 1,100 real photos: heads are 0.3 … 0.46 as wide as the figure, the tops of tall garments
# 0.6 and more. What is as narrow on a garment is a hood, on one that is not tall, or the two straps
# of a dress, with air between them.
SEEN = 0.5  # of a standing person's height, at least, is in the picture
HEAD = (
    0.08  # of a standing person's height, from its crown: the rows that hold a head and no shoulder
)
NARROW = 0.5  # of the figure's width, at most: a head
SOLID = 0.7  # of a head's rows, at least, between its left and right edge


class RegionParams(Params):
    """One part of a standing person, under `prepare.regions` in params.yaml."""

    top: float = Field(
        ge=0,
        lt=1,
        description="where it begins, as a share of a standing person's height from the crown",
    )
    bottom: float = Field(gt=0, le=1, description="where it ends, likewise")
    article_types: tuple[str, ...] = Field(
        description="what is worn there; upper and lower case are alike"
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
    """The foreground, cut to the part of a person on which the article type is worn.

    It is cut only where it looks like a person, upright and with a head, of whom that part is in
    the picture. Everything else, such as a garment alone, a wearer without head, or an article type
    of no region, stays whole.

    Args:
        picture: uint8 (height, width, 3).
        person_ratio: height of a standing person over its width. With it the figure's width tells
            how much of a person that is cut off by the picture's edge would measure whole.
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
    """Height in pixels that the figure has or, cut off below, would have as a whole; None where it is no person's.

    Args:
        mask: bool (height, width), not empty.
    """
    left, top, right, bottom = extent(mask)
    whole = max(bottom - top, person_ratio * (right - left))
    head = mask[top : top + max(1, round(HEAD * whole))]
    widths = [columns[-1] + 1 - columns[0] for columns in map(np.flatnonzero, head) if len(columns)]
    upright = bottom - top >= SEEN * whole
    is_head = max(widths) <= NARROW * (right - left) and head.sum() >= SOLID * sum(widths)
    return float(whole) if upright and is_head else None
