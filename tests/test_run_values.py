"""A run in MLflow shows few params and metrics, and those that were used."""

import json
import re
from typing import Any

import pytest
import yaml
from conftest import ROOT
from test_gate import POLICY, evidence
from test_templates import metrics_json

from flows.registry.metrics_figure import metrics_figure
from flows.registry.run_summary import first_name, shop_name
from flows.registry.run_values import decision_metrics, result_metrics, shown_params
from flows.registry.tracking import flatten
from ml.evaluate.baselines import BASELINES
from ml.evaluate.metric_words import COMPLETE_METRICS
from ml.promote.evidence import Serving
from ml.promote.gate import decide
from ml.serve.limits import Limits

MOST = 40
# What a run gets besides `result_metrics` and `decision_metrics`: four curves, five stages,
# the number of products, and three of the machine.
ELSEWHERE = 13
PARAMS: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
METHODS = ("pbcnet", "pbcnet_semi", "moco_v2", "byol", "simsiam", "triplet")


@pytest.mark.parametrize("localizer", ["foreground", "region", "detector", "none"])
@pytest.mark.parametrize("method", METHODS)
def test_a_run_has_the_params_of_what_was_used_and_no_more(method: str, localizer: str) -> None:
    params = PARAMS | {
        "train": PARAMS["train"] | {"method": method},
        "prepare": PARAMS["prepare"] | {"localizer": localizer},
    }
    shown = shown_params(params)
    assert len(shown) + len(Limits.model_fields) <= MOST
    sections = {name.split(".")[1] for name in shown if re.match(r"train\.\w+\.", name)}
    assert sections == {"encoder", method}
    assert json.loads(shown["train.augment"]) == PARAMS["train"]["augment"]
    assert flatten(PARAMS["train"][method], f"train.{method}").items() <= shown.items()
    assert {name for name in shown if name.startswith("prepare.")} == {
        "prepare.side",
        "prepare.localizer",
    } | {
        "region": {"prepare.person_ratio", "prepare.regions"},
        "detector": {"prepare.detector"},
    }.get(localizer, set())


def test_a_run_has_at_most_forty_metrics_with_the_gains_and_the_champion() -> None:
    serving = Serving(None, [], 1e-5, 40, 30)
    decision = decide(POLICY, evidence(serving=serving))
    measured = {name: {"value": 0.7} for name in COMPLETE_METRICS}
    metrics = metrics_json(True) | {"complete_blocks": {"test": {"metrics": measured}}}
    results, decided = result_metrics(metrics), decision_metrics(decision)
    assert {name for name in results if name.startswith("blocks.")} == {
        "blocks.published_group_precision",
        "blocks.published_designs_exact",
    }
    assert len(results | decided) + ELSEWHERE <= MOST
    assert results["test.block_ap"] == 0.6
    assert decided == {
        "gate.gain.block_ap": pytest.approx(0.1),
        "gate.gain.mean_ap": pytest.approx(0.05),
        "champion.block_ap": 0.6,
        "champion.mean_ap": 0.8,
        "serving.milliseconds": 40,
        "serving.megabytes": 30,
    }


def test_what_was_not_measured_is_no_metric() -> None:
    assert result_metrics(metrics_json(False)) == {"threshold": 0.2}
    first = decide(POLICY, evidence(champion=None))
    assert decision_metrics(first) == {}


def test_the_figure_has_every_baseline_with_its_interval_and_needs_no_network() -> None:
    page = metrics_figure(metrics_json(True))
    for name in ("this model", "ImageNet features", "dev split"):
        assert name in page
    assert page.count('"arrayminus":[') == 2 * (1 + len(BASELINES))
    assert not re.search(r'<(?:script|link)[^>]*(?:src|href)="http', page)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("/home/ada/shops/myntra", "myntra"),
        ("/home/ada/shops/myntra/", "myntra"),
        ("s3://key:secret@bucket/shops/myntra", "myntra"),
        ("https://user:secret@shop.example/feed.csv?token=secret", "feed.csv"),
        ("s3://key:secret@bucket", "bucket"),
        ("", "same snapshot"),
    ],
)
def test_the_name_of_a_run_begins_with_the_shop_and_holds_no_secret(source: str, name: str) -> None:
    assert first_name(shop_name(source), "byol", 1) == f"{name} · byol · 1 epoch"
