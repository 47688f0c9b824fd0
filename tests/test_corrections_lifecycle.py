"""200 corrections hold through grouping, retraining, promotion and rollback, by the commands."""

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import Clone, loosen_gate

from ml.core.files import read_table
from ml.data.annotations import CORRECTION, build_annotations
from ml.data.blocks import block_numbers

pytestmark = pytest.mark.full
CANDIDATES = "color-variants-candidates"


def random_words(shop: Path, file: Path) -> int:
    """Writes up to 200 random pairs of one block with what the shop's annotations say of them."""
    products = pd.read_csv(shop / "catalog.csv", dtype=str)
    pairs = pd.read_csv(shop / "pairs.csv", dtype=str).astype({"color_variants": int})
    found = build_annotations(products, pairs)
    names = products["product_id"].to_numpy()[found.indices]
    block = block_numbers(products)[found.indices]
    left, right = np.triu_indices(len(names), 1)
    within = np.flatnonzero(block[left] == block[right])
    chosen = np.random.default_rng(1).permutation(within)[:200]
    left, right = left[chosen], right[chosen]
    same = (found.design[left] == found.design[right]).astype(int)
    table = pd.DataFrame({"left": names[left], "right": names[right], "same": same})
    table.to_csv(file, index=False)
    return len(table)


def test_200_corrections_hold_through_retraining_promotion_and_rollback(
    make_clone: Callable[[], Clone], own_shop: Path, tmp_path: Path
) -> None:
    clone, source = make_clone(), ("--source", str(own_shop))
    loosen_gate(clone)
    clone.run("retrain", *source)
    clone.run("approve", "1", "--by", "Bo", "--comment", "fine")
    clone.run("promote")

    def states() -> dict[str, int]:
        clone.run("group", *source)
        found = json.loads(clone.run("groups", "corrections", "--json").stdout)
        return dict(Counter(one["state"] for one in found["corrections"]))

    clone.run("group", *source)
    count = random_words(own_shop, tmp_path / "words.csv")
    clone.run("groups", "correct", str(tmp_path / "words.csv"), "--by", "Ada")
    assert states() == {"holds": count}
    seen = json.loads(clone.run("status", "--json").stdout)["corrected"][0]
    assert 0 < seen["overruled"] < seen["of_said"] == count
    assert "corrections and locks of the catalogue shop" in clone.run("status").stdout
    said = clone.run("retrain", *source)
    told = said.stdout + said.stderr
    assert f"{count} corrections become annotated pairs" in told
    confirmed = re.search(r"(\d+) of them confirm the shop's pairs, which stay", told)
    assert confirmed
    second = clone.client.get_model_version(CANDIDATES, "2")
    assert second.tags["corrections"] == str(count - int(confirmed[1]))
    assert second.run_id
    file = clone.client.download_artifacts(second.run_id, "metrics.json", str(tmp_path))
    measured = json.loads(Path(file).read_text())["corrections"]
    assert sum(one["pairs"] for one in measured.values()) <= count
    assert {"train", "test"} <= set(measured)
    clone.run("approve", "2", "--by", "Bo", "--comment", "fine")
    clone.run("promote")
    assert states() == {"holds": count}
    clone.run("rollback", "--reason", "a test")
    assert states() == {"holds": count}
    again = clone.run("retrain", *source)
    assert "nothing has changed" in again.stdout
    without = clone.run("snapshot", str(own_shop))  # a plain snapshot has no corrections
    assert without.returncode == 0
    pairs = read_table(clone.root / "data/snapshot/pairs.parquet")
    assert "origin" not in pairs or not pairs["origin"].eq(CORRECTION).any()
