"""Overrides: params that are changed for a single retraining."""

from collections.abc import Iterator
from difflib import get_close_matches
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
            near = get_close_matches(name, list(_names(params)), 1)
            hint = f"did you mean {near[0]}?" if near else "a param is named like train.epochs"
            raise UserError(f"params.yaml has no param '{name}'; {hint}")
        place[last] = value
    return params


def _names(params: dict[str, Any], before: str = "") -> Iterator[str]:
    """Yields the name of each param: its sections and itself, joined by dots."""
    for name, value in params.items():
        if isinstance(value, dict):
            yield from _names(value, f"{before}{name}.")
        else:
            yield f"{before}{name}"
