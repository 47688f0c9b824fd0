"""Overrides: params that are changed for a single retraining."""

from pathlib import Path
from typing import Any

import yaml

from ml.core.errors import UserError
from ml.core.params import read_params
from ml.core.paths import PARAMS


def apply_overrides(root: Path, overrides: dict[str, Any]) -> None:
    """Changes params in the params.yaml of a checkout. The file loses its comments.

    Args:
        root: top folder of the checkout.
        overrides: param, such as "train.epochs" → its new value.

    Raises:
        UserError: params.yaml has no such param, or cannot be read.
    """
    if overrides:
        params = overridden(read_params(root / PARAMS), overrides)
        (root / PARAMS).write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")


def overridden(params: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """Changes params in place and returns them; the arguments are those of `apply_overrides`."""
    for name, value in overrides.items():
        *path, last = name.split(".")
        place: Any = params
        for part in path:
            place = place.get(part) if isinstance(place, dict) else None
        if not isinstance(place, dict) or last not in place:
            raise UserError(
                f"params.yaml has no param '{name}'; a param is named like train.epochs"
            )
        place[last] = value
    return params
