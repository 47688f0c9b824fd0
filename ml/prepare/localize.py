"""Finds the product in its picture, in the way that the params name.

This is step 1 of the paper's pipeline: crop, then embed (PBCNet, arXiv 2104.08581).
"""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from pydantic import Field, model_validator

from ml.core.params import Params
from ml.prepare.detector import DetectorParams, detect
from ml.prepare.foreground import Product, foreground, whole
from ml.prepare.regions import RegionParams, find_region


class LocalizeParams(Params):
    """The params under `prepare` in params.yaml that choose how a product is found."""

    localizer: Literal["foreground", "region", "detector", "none"] = Field(
        description="how the product is found"
    )
    person_ratio: float = Field(
        3.0, gt=0, description="height of a standing person over its width, in pixels"
    )
    regions: dict[str, RegionParams] = Field(
        {}, description="the parts of a person, for the localizer 'region'"
    )
    detector: DetectorParams | None = Field(
        None, description="the network, for the localizer 'detector'"
    )

    @model_validator(mode="after")
    def _one_region_each(self) -> "LocalizeParams":
        types = [
            name.casefold() for region in self.regions.values() for name in region.article_types
        ]
        twice = sorted({name for name in types if types.count(name) > 1})
        if twice:
            raise ValueError(f"more than one region has the article type {', '.join(twice)}")
        return self

    @model_validator(mode="after")
    def _detector_described(self) -> "LocalizeParams":
        if self.localizer == "detector" and self.detector is None:
            raise ValueError("the localizer 'detector' needs the section 'detector'")
        return self


def localize(picture: np.ndarray, how: LocalizeParams, *, article_type: str) -> Product:
    """Finds the product.

    Args:
        picture: uint8 (height, width, 3), RGB.
        article_type: what the product is. It decides which part of a person is kept, and which
            detected classes fit.

    Raises:
        UserError: the detector cannot be loaded (see `ml.prepare.detector`).
    """
    return LOCALIZERS[how.localizer](picture, how, article_type)


def _detected(picture: np.ndarray, how: LocalizeParams, article_type: str) -> Product:
    assert how.detector is not None  # LocalizeParams checks it
    return detect(picture, how.detector, article_type=article_type)


LOCALIZERS: dict[str, Callable[[np.ndarray, Any, str], Product]] = {
    "foreground": lambda picture, how, article_type: foreground(picture),
    "region": lambda picture, how, article_type: find_region(
        picture, how.regions, how.person_ratio, article_type=article_type
    ),
    "detector": _detected,
    "none": lambda picture, how, article_type: whole(picture),
}
