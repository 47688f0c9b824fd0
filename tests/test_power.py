"""The studies of power and luck draw fair test sets; the page of the policy holds their tables."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from benchmarks import power_blocks
from benchmarks.checkout import ROOT
from benchmarks.luck import (
    EQUAL,
    GATE,
    NOISE,
    RESAMPLES,
    cases,
    judge_of,
    lower_by,
    luck_table,
    models,
    promotions,
    worse_noise,
)
from benchmarks.power import CHANGED, COMPARISONS, SIZES, needed, power_table, test_set
from flows.registry.versions import POLICY
from ml.core.files import read_json
from ml.data.annotations import build_annotations
from ml.evaluate.complete_blocks import build_complete_blocks
from ml.promote.alpha_spending import spendable
from ml.promote.policy import load_policy

GATE_POLICY = load_policy(ROOT / POLICY).gate.model_copy(update={"floor": 0.0, "baselines": []})
test_set.__test__ = False  # type: ignore[attr-defined]  # pytest takes it for a test


def test_the_page_of_the_policy_holds_the_tables_of_both_studies() -> None:
    page = (ROOT / "docs/promotion.md").read_text(encoding="utf-8")
    assert power_table(read_json(ROOT / "benchmarks/power.json")) in page
    assert luck_table(read_json(ROOT / "benchmarks/luck.json")) in page
    blocks = read_json(ROOT / "benchmarks/power_blocks.json")
    assert power_blocks.blocks_table(blocks) in page


def test_a_test_set_holds_whole_blocks_whose_copies_are_other_blocks_with_other_designs() -> None:
    ids = [f"{brand}{number}" for brand in "abc" for number in range(4)]
    products = pd.DataFrame({"product_id": ids, "brand": [one[0] for one in ids]})
    products = products.assign(gender="Men", article_type="Shirts")
    ends = [(f"{brand}{one}", f"{brand}{one + 1}") for brand in "abc" for one in (0, 2)]
    pairs = pd.DataFrame(ends, columns=["left", "right"]).assign(color_variants=1)
    whole = build_annotations(products, pairs)
    places, drawn = test_set(whole, 30, np.random.default_rng(0))
    assert len(places) == len(drawn.design) == 32
    sizes, copies = np.bincount(drawn.design), np.bincount(drawn.block)
    assert set(sizes) == {2}
    assert set(copies) == {4}
    pairs_of = drawn.block_pairs
    assert len(pairs_of) == 8 * 6
    assert (drawn.block[pairs_of.left] == drawn.block[pairs_of.right]).all()
    same = drawn.design[pairs_of.left] == drawn.design[pairs_of.right]
    assert (pairs_of.label == same).all()
    assert (whole.block[places[pairs_of.left]] == whole.block[places[pairs_of.right]]).all()


def test_so_many_products_prove_the_gain_with_the_power_of_the_policy() -> None:
    one = {
        "pair": CHANGED,
        "metric": "mean_ap",
        "size": SIZES[-1],
        "deviation": 0.004,
        "spread": 0.005,
    }
    for row in needed([one], GATE_POLICY):
        assert row["comparison"] in COMPARISONS
        deviation, spread = (
            one[name] * np.sqrt(SIZES[-1] / row["products"]) for name in ("deviation", "spread")
        )
        level = spendable(GATE_POLICY.significance, row["comparison"]) / len(GATE_POLICY.metrics)
        power = norm.cdf((row["distance"] - norm.isf(level) * spread) / deviation)
        assert power == pytest.approx(GATE_POLICY.power, abs=0.02)


def test_complete_blocks_are_drawn_whole_and_with_the_pairs_that_are_decided() -> None:
    ids = [f"{brand}{number}" for brand in "abc" for number in range(4)]
    products = pd.DataFrame({"product_id": ids, "brand": [one[0] for one in ids]})
    products = products.assign(gender="Men", article_type="Shirts")
    designs = [f"{one[0]}{int(one[1]) // 2}" if one[0] == "a" else one for one in ids]
    blocks = pd.DataFrame({"product_id": ids, "design": designs})
    unsure = pd.DataFrame({"left": ["a0"], "right": ["a3"]})
    truth = build_complete_blocks(products, blocks, unsure)
    for seed in range(10):  # only block a has variants, so that it is always among them
        places, drawn = power_blocks.drawn_blocks(truth, 5, np.random.default_rng(seed))
        assert len(places) == len(drawn.block) == 20
        assert drawn.facts()["blocks"] == 5
        copies = int((truth.block[places] == 0).sum() / 4)
        assert drawn.measurable and drawn.facts()["variants"] == 2 * copies > 0
        assert len(drawn.pairs) == 5 * 6 - copies  # without the unsure one
        same = drawn.design[drawn.pairs.left] == drawn.design[drawn.pairs.right]
        assert (drawn.pairs.label == same).all()
        assert (drawn.block[drawn.pairs.left] == drawn.block[drawn.pairs.right]).all()


@pytest.mark.full
def test_worse_models_are_worse_by_a_margin_in_the_metric_that_reaches_it_first() -> None:
    lower = lower_by(worse_noise(GATE_POLICY), GATE_POLICY.metrics, seed=1)
    margins = GATE_POLICY.policies.stay_fresh.margins
    assert max(lower[name] - margins[name] for name in lower) == pytest.approx(0, abs=0.006)


def test_the_gate_promotes_a_better_model_and_no_equal_one_under_prove_gain() -> None:
    policy = GATE_POLICY.model_copy(update={"policy": "prove-gain"})
    champion, equal, better = models(1, NOISE, policy, 0) + models(1, NOISE / 2, policy, 0)[1:]
    assert champion["block_ap"].shape == (1 + RESAMPLES,)
    assert promotions([champion, equal, better, equal], judge_of(GATE, policy)) == [
        False,
        True,
        False,
    ]
    assert ("prove-gain", EQUAL, GATE) in cases()
