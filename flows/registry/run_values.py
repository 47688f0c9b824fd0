"""What a run in MLflow shows as params and metrics: few enough to be read.

All params are in `lineage/params.yaml` of the run, and all metrics of model and baselines, with
their intervals, in `metrics.json` and as a figure in `metrics.html`.
"""

import json
from typing import Any

from flows.registry.tracking import flatten
from ml.evaluate.metric_words import Interval
from ml.promote.decision import CheckKind, Decision

# The metrics of the dev split to show.
OF_DEV = ("block_ap", "mean_ap", "hard_ap", "recall_at_1", "cgacc")
# The metrics of the test split's complete blocks to show.
OF_BLOCKS = ("published_group_precision", "published_designs_exact")
MACHINE = ("threads", "device", "compile")  # params that say how, and not what, is trained
# Value of prepare.localizer → the params of `prepare` that it alone uses.
LOCALIZERS = {"region": ("person_ratio", "regions"), "detector": ("detector",)}


def shown_params(params: dict[str, Any]) -> dict[str, Any]:
    """Returns the params that decided the model, by their dotted names.

    The sections of other training methods and localizers are left out. The augmentation, and what a
    localizer needs, is one param each, as JSON. MLflow adds the limits of serving by itself.

    Args:
        params: the sections of params.yaml.
    """
    train, prepare = params["train"], params["prepare"]
    used = ("encoder", train["method"])
    shown = {
        name: value
        for name, value in train.items()
        if name not in MACHINE and (name in used or not isinstance(value, dict))
    }
    alone = LOCALIZERS.get(prepare["localizer"], ())
    own = {f"prepare.{name}": json.dumps(prepare[name]) for name in alone if name in prepare}
    return {
        "evaluate.grouping": params["evaluate"]["grouping"],
        "prepare.side": prepare["side"],
        "prepare.localizer": prepare["localizer"],
        "train.augment": json.dumps(train["augment"]),
        **own,
        **flatten(shown, "train"),
    }


def result_metrics(metrics: dict[str, Any]) -> dict[str, float]:
    """Returns the metrics of a model on the test split, a few on dev, and its threshold.

    Of complete blocks a few are returned, as "blocks.NAME"; of corrections of test products the
    share that the model decides as people did, as "corrections.right".

    Args:
        metrics: the content of metrics.json.
    """
    model = metrics["model"]
    values = {"threshold": model["threshold"]}
    if metrics["evaluable"]:
        for name, interval in model["test"].items():
            values[f"test.{name}"] = interval["value"]
        values |= {f"dev.{name}": model["dev"][name]["value"] for name in OF_DEV}
    on_blocks = metrics.get("complete_blocks", {}).get("test", {}).get("metrics", {})
    values |= {
        f"blocks.{name}": on_blocks[name]["value"] for name in OF_BLOCKS if name in on_blocks
    }
    if "test" in metrics.get("corrections", {}):
        values["corrections.right"] = metrics["corrections"]["test"]["right"]
    return {name: value for name, value in values.items() if value is not None}


def decision_metrics(decision: Decision) -> dict[str, float]:
    """Returns what the gate measured: gains, the champion on the same pairs, and serving."""
    served = {
        "serving.milliseconds": CheckKind.LATENCY,
        "serving.megabytes": CheckKind.SIZE,
    }
    measured = {check.kind: check.value for check in decision.checks}
    compared: dict[str, Interval | None] = {
        **{f"gate.gain.{one.metric}": one.difference for one in decision.compared},
        **{f"champion.{one.metric}": one.champion for one in decision.compared},
    }
    values = {
        **{name: (found or {}).get("value") for name, found in compared.items()},
        **{name: measured.get(kind) for name, kind in served.items()},
    }
    return {name: value for name, value in values.items() if value is not None}
