"""Params: sections of params.yaml, checked against the pydantic model of each stage."""

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from ml.core.errors import UserError


class Params(BaseModel):
    """Base class of every section: it refuses unknown params, and its values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Section = TypeVar("Section", bound=Params)


def load_params(section: str, model: type[Section], path: Path = Path("params.yaml")) -> Section:
    """Reads one section of params.yaml.

    Raises:
        UserError: the file or section does not exist, the file is not YAML, or a param is missing,
            unknown or out of range. The message names every mistake and its place.
    """
    content = read_params(path)
    if section not in content:
        raise UserError(f"{path} has no section '{section}'")
    try:
        return model.model_validate(content[section])
    except ValidationError as error:
        raise UserError(f"{path} does not hold: {describe(error, section)}") from error


def read_params(path: Path) -> dict[str, Any]:
    """Reads all sections of params.yaml.

    Raises:
        UserError: the file does not exist, is not YAML, or holds no sections.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(
            f"there is no {path} here: run stages from the project's root, or name it"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no sections of params: restore it from git")
    return content


def profile_params(name: str, path: Path = Path("params.yaml")) -> dict[str, Any]:
    """Returns the params of a profile, such as {"prepare.side": 224}.

    Raises:
        UserError: the profile does not exist, or as `read_params`.
    """
    profiles = read_params(path).get("profiles") or {}
    if name not in profiles:
        raise UserError(
            f"params.yaml has no profile '{name}'; it has {', '.join(profiles) or 'none'}"
        )
    return dict(profiles[name])


def describe(error: ValidationError, root: str = "") -> str:
    """Describes all mistakes of a pydantic validation: place, fault and given value of each."""
    lines = []
    for mistake in error.errors():
        place = ".".join(str(part) for part in (root, *mistake["loc"]) if part != "")
        given = "" if mistake["type"] == "missing" else f" (it is {mistake['input']!r})"
        lines.append(f"{place}: {mistake['msg']}{given}")
    return "; ".join(lines)
