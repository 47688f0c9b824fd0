"""A wrong param is refused before anything is computed; params.schema.json says what is right."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT

from flows.local.params_schema import (
    SCHEMA,
    refuse_overrides,
    refuse_wrong_params,
    schema,
    sections,
)
from ml.core.errors import UserError

PARAMS: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
NAMED_BY_USERS = ("regions", "fits")  # params whose parts may have any names


def leaves(values: dict[str, Any], path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The paths of all values that are no sections."""
    found = []
    for name, value in values.items():
        here = (*path, name)
        section = isinstance(value, dict) and name not in NAMED_BY_USERS
        found += leaves(value, here) if section else [here]
    return found


def place_of(params: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    for name in path[:-1]:
        params = params[name]
    return params


def test_the_committed_schema_is_that_of_the_classes() -> None:
    kept = json.loads((ROOT / SCHEMA).read_text(encoding="utf-8"))
    assert kept == json.loads(json.dumps(schema())), "run `make schema`"


@pytest.mark.parametrize("profile", ["", *PARAMS["profiles"]])
def test_the_params_of_the_project_hold_by_the_schema_alone(
    profile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.local.params_schema.sections", lambda: pytest.fail("not by it"))
    refuse_overrides(ROOT, profile, {})


@pytest.mark.parametrize("section", sections())
def test_every_value_of_no_kind_and_every_unknown_param_is_refused_by_name(section: str) -> None:
    paths = leaves(PARAMS[section], (section,))
    for path in [*paths, (section, "nothing")]:
        params = deepcopy(PARAMS)
        place_of(params, path)[path[-1]] = None
        with pytest.raises(UserError, match=r"params\.yaml does not hold: ") as refusal:
            refuse_wrong_params(ROOT, params)
        assert ".".join(path) in str(refusal.value)


def test_all_mistakes_are_named_at_once_and_a_missing_section_is_one() -> None:
    with pytest.raises(UserError) as refusal:
        refuse_overrides(ROOT, "", {"train.epochs": -1, "evaluate.precision": 7})
    assert "train.epochs: Input should be greater than or equal to 0 (it is -1)" in str(
        refusal.value
    )
    assert "evaluate.precision" in str(refusal.value)
    with pytest.raises(UserError, match="catalogue: "):
        refuse_wrong_params(ROOT, {one: PARAMS[one] for one in PARAMS if one != "catalogue"})


def test_the_classes_decide_where_the_schema_is_old_or_missing(tmp_path: Path) -> None:
    refuse_wrong_params(tmp_path, PARAMS)
    (tmp_path / SCHEMA).write_text(json.dumps({"properties": {"train": {"type": "null"}}}))
    refuse_wrong_params(tmp_path, PARAMS)
    with pytest.raises(UserError, match=r"train\.epochs"):
        refuse_wrong_params(tmp_path, PARAMS | {"train": PARAMS["train"] | {"epochs": -1}})
