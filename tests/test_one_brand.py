"""A shop of one brand trains, is judged on held-out design families, and grows into more brands."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import CANDIDATES, Clone, edit_table, loosen_gate
from mlflow.artifacts import load_text

pytestmark = pytest.mark.full


def test_one_brand_is_split_by_design_family_and_so_are_its_later_snapshots(
    make_clone: Callable[[], Clone], own_shop: Path
) -> None:
    clone = make_clone()
    loosen_gate(clone)
    catalog = own_shop / "catalog.csv"
    brands = pd.read_csv(catalog, dtype=str)["brand"].tolist()
    edit_table(catalog, lambda table: table.assign(brand="Only One"))
    clone.run("retrain", "--source", str(own_shop))
    metrics, decision = files_of(clone, 1)
    assert metrics["evaluable"]
    assert metrics["split"]["by"] == "design_family"
    assert decision["proves"] == metrics["split"]["proves"]
    card = clone.client.get_model_version(CANDIDATES, "1").description
    assert "of brands that were seen" in str(card)
    asked = (f"models:/{CANDIDATES}/1", "--source", str(own_shop), "--split", "test", "--json")
    evaluated = json.loads(clone.run("evaluate", *asked).stdout)
    found, wanted = evaluated["metrics"]["block_ap"], metrics["model"]["test"]["block_ap"]
    assert found["value"] == pytest.approx(wanted["value"], abs=2e-3)
    clone.run("approve", "1", "--by", "Rita Release")
    clone.run("promote", "1")
    edit_table(catalog, lambda table: table.assign(brand=brands))
    clone.run("retrain", "--source", str(own_shop))
    grown, decision = files_of(clone, 2)
    assert grown["split"]["by"] == "design_family"
    assert decision["favoured"] == ""
    clone.run("retrain", "--source", str(own_shop), "--set", "validate.split_by=brand")
    by_brand, decision = files_of(clone, 3)
    assert by_brand["split"]["by"] == "brand"
    assert "the champion may have trained on these test products" in decision["favoured"]


def files_of(clone: Clone, version: int) -> list[dict[str, Any]]:
    """metrics.json and the gate's decision of a candidate."""
    found = clone.client.get_model_version(CANDIDATES, str(version))
    run = clone.client.get_run(str(found.run_id))
    names = ("metrics.json", "gate/decision.json")
    return [json.loads(load_text(f"{run.info.artifact_uri}/{name}")) for name in names]
