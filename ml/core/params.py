"""The params: sections of params.yaml, checked against the model that the stage declares."""

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from ml.core.errors import UserError


class Params(BaseModel):
    """Base of every section: unknown params are refused, values do not change while a stage runs."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Section = TypeVar("Section", bound=Params)


def load_params(section: str, model: type[Section], path: Path = Path("params.yaml")) -> Section:
    """Reads one section of params.yaml.

    Raises:
        UserError: no such file or section, not YAML, or a param that is missing, unknown or out of
            range; every mistake is named with its place.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(
            f"there is no {path} here: run stages from the project's root, or name it"
        ) from error
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(content, dict) or section not in content:
        raise UserError(f"{path} has no section '{section}'")
    try:
        return model.model_validate(content[section])
    except ValidationError as error:
        raise UserError(f"{path} does not hold: {describe(error, section)}") from error


def profile_params(name: str, path: Path = Path("params.yaml")) -> dict[str, Any]:
    """The params of a profile, such as {"prepare.side": 224}.

    Raises:
        UserError: there is no such profile.
    """
    profiles = yaml.safe_load(path.read_text(encoding="utf-8")).get("profiles") or {}
    if name not in profiles:
        raise UserError(
            f"params.yaml has no profile '{name}'; it has {', '.join(profiles) or 'none'}"
        )
    return dict(profiles[name])


def describe(error: ValidationError, root: str = "") -> str:
    """All mistakes of a pydantic validation in one line each: place, what is wrong, what was given."""
    lines = []
    for mistake in error.errors():
        place = ".".join(str(part) for part in (root, *mistake["loc"]) if part != "")
        given = "" if mistake["type"] == "missing" else f" (it is {mistake['input']!r})"
        lines.append(f"{place}: {mistake['msg']}{given}")
    return "; ".join(lines)
