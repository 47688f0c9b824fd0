"""The gate measures both models on annotated pairs and on complete blocks of the test split."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT

from flows.gate.evidence import _complete_blocks, _measure
from flows.gate.judged_pairs import load_judged_pairs
from ml.core.files import write_table
from ml.core.paths import PREPARED, VALIDATED
from ml.evaluate.metric_words import COMPLETE_BLOCK_AP
from ml.promote.policy import GatePolicy, load_policy

POLICY = load_policy(ROOT / "mlflow/promotion.yaml").gate
WITH_BLOCKS = POLICY.model_copy(update={"metrics": ["block_ap", COMPLETE_BLOCK_AP]})
# Two annotated products of block X; block Y is complete: two designs of two colours each.
BLOCKS = {"y1": "bag", "y2": "bag", "y3": "cap", "y4": "cap"}
Made = Callable[[dict[str, str] | None], Path]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Writes a checkout in which the stages have run, with these complete blocks."""

    def write(blocks: dict[str, str] | None) -> Path:
        ids = ["x1", "x2", "x3", "x4", "y1", "y2", "y3", "y4", "z1"]
        products = pd.DataFrame({"product_id": ids, "split": "test", "gender": "Men"})
        products["brand"] = products["product_id"].str[0]
        products = products.assign(article_type="Tops", sha256=products["product_id"] + ".jpg")
        write_table(tmp_path / PREPARED / "products.parquet", products)
        for name, shape in (("images", (9, 8, 8, 3)), ("masks", (9, 8, 8))):
            np.save(tmp_path / PREPARED / f"{name}.npy", np.full(shape, 99, np.uint8))
        pairs = [("x1", "x2", True), ("x1", "x3", False)]
        write_table(
            tmp_path / PREPARED / "pairs.parquet",
            pd.DataFrame(pairs, columns=["left", "right", "color_variants"]),
        )
        if blocks is not None:
            assigned = pd.DataFrame({"product_id": blocks.keys(), "design": blocks.values()})
            unsure = pd.DataFrame({"left": ["y1"], "right": ["y4"]})
            write_table(tmp_path / VALIDATED / "blocks.parquet", assigned)
            write_table(tmp_path / VALIDATED / "blocks_unsure_pairs.parquet", unsure)
        return tmp_path

    return write


def test_the_products_of_complete_blocks_are_embedded_too_and_no_others(made: Made) -> None:
    pairs = load_judged_pairs(made(BLOCKS), POLICY)
    shown = [Path(one).stem for one in pairs.products["image"]]
    assert shown == ["x1", "x2", "x3", "x4", "y1", "y2", "y3", "y4"]  # whole blocks, but for z
    assert [shown[place] for place in pairs.annotated] == ["x1", "x2", "x3"]
    assert [shown[place] for place in pairs.in_complete] == list(BLOCKS)
    assert pairs.blocks == 1


@pytest.mark.parametrize("blocks", [None, {}, {"y1": "bag", "y2": "cap"}])
def test_without_complete_blocks_of_both_kinds_the_gate_measures_pairs_alone(
    made: Made, blocks: dict[str, str] | None
) -> None:
    pairs = load_judged_pairs(made(blocks), WITH_BLOCKS)
    assert [Path(one).stem for one in pairs.products["image"]] == ["x1", "x2", "x3", "x4"]
    assert (pairs.complete, pairs.blocks) == (None, 0)
    measured = _measure(pairs, np.eye(4), "complete", WITH_BLOCKS)
    assert measured.on_blocks is None
    assert _complete_blocks(pairs, measured, measured) == []


def test_complete_blocks_tell_a_model_that_knows_designs_from_one_that_does_not(made: Made) -> None:
    pairs = load_judged_pairs(made(BLOCKS), WITH_BLOCKS)
    alike, designs = np.eye(8), np.eye(8)
    designs[5], designs[7] = designs[4], designs[6]  # y1 and y2, y3 and y4 look the same
    alike[6], alike[7] = designs[4], designs[5]  # y1 and y3, y2 and y4 do

    def value(embeddings: np.ndarray, policy: GatePolicy) -> float:
        measured = _measure(pairs, embeddings, "complete", policy)
        return float(measured.draws(COMPLETE_BLOCK_AP, 0.5)[0])

    assert value(designs, WITH_BLOCKS) == pytest.approx(1)
    assert value(alike, WITH_BLOCKS) < 0.6
    both = [_measure(pairs, one, "complete", POLICY) for one in (designs, alike)]
    (segment,) = _complete_blocks(pairs, *both)
    assert (segment.name, segment.positives, segment.blocks) == ("complete blocks", 2, 1)
    assert len(segment.challenger) == len(segment.champion) == 1 + POLICY.resamples
    assert segment.challenger[0] > segment.champion[0]


def test_test_sets_are_recognised_by_their_complete_blocks_where_these_decide(made: Made) -> None:
    root = made(BLOCKS)
    sketches = {name: load_judged_pairs(root, one).sketch for name, one in POLICIES.items()}
    other = made({**BLOCKS, "y2": "cap"})
    assert load_judged_pairs(other, POLICY).sketch == sketches["pairs"]
    assert load_judged_pairs(other, WITH_BLOCKS).sketch != sketches["pairs and blocks"]


POLICIES = {"pairs": POLICY, "pairs and blocks": WITH_BLOCKS}
