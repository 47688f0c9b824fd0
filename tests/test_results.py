"""The results are built from finished rows alone, and an interrupted run continues."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import Clone

from benchmarks.checkout import ROOT
from benchmarks.findings import TOLD, findings
from benchmarks.goals import block_ap_draws, by_recipe, difference, goals
from benchmarks.markdown import interval_words
from benchmarks.results import FINISHED
from benchmarks.tables import BEGIN, END, tables
from ml.evaluate.bootstrap import interval

ROWS = {
    "methods": {
        "pbcnet_semi-0": {"train.method": "pbcnet_semi"},
        "moco_v2-0": {"train.method": "moco_v2", "train.encoder.slices": "none"},
    },
    "ablations": {"no-parts": {"train.augment.parts": 0.0}},
}


@pytest.mark.full
def test_results_are_computed_row_by_row_and_resumed(
    make_clone: Callable[[], Clone], tmp_path: Path
) -> None:
    clone = make_clone()
    for old in (clone.root / "benchmarks/results").glob("*.json"):
        old.unlink()
    (clone.root / "benchmarks/rows.yaml").write_text(yaml.safe_dump(ROWS, sort_keys=False))
    clone.run("generate", str(tmp_path / "shop"), "--products", "360")
    command = [
        "-m",
        "benchmarks.results",
        "--source",
        str(tmp_path / "shop"),
        "--minutes",
        "0.01",
        "--elsewhere",
        "60",
    ]
    first = clone.python(*command, "--only", "moco_v2-0").stdout
    assert "== moco_v2-0" in first
    assert "== pbcnet_semi-0" not in first
    kept = (clone.root / "benchmarks/results/moco_v2-0.json").read_bytes()
    second = clone.python(*command).stdout
    assert "== moco_v2-0" not in second
    assert (clone.root / "benchmarks/results/moco_v2-0.json").read_bytes() == kept
    page = (clone.root / "docs/results-tables.md").read_text()
    rows = {
        name: json.loads((clone.root / f"benchmarks/results/{name}.json").read_text())
        for name in ROWS["methods"]
    }
    for name, row in rows.items():
        value = row["figures"]["test"]["block_ap"]["value"]
        assert f"| {name} | {value:.3f} (" in page
    assert "### The goals" in page
    assert "goals are met." in (clone.root / "docs/results.md").read_text()
    ablation = json.loads((clone.root / "benchmarks/results/no-parts.json").read_text())
    assert set(ablation["figures"]) == {"dev"}  # no choice is made on test
    for picture in (
        "curves.png",
        "slices.jpg",
        "map.jpg",
        "mistakes-before.jpg",
        "mistakes-after.jpg",
    ):
        assert (clone.root / "docs/images" / picture).stat().st_size > 1000
    unknown = clone.python(*command, "--only", "nonsense", check=False)
    assert unknown.returncode == 1
    assert "no row nonsense" in unknown.stderr


def row(method: str, block_ap: float, draws: str) -> dict[str, object]:
    """A finished row of metrics made up."""
    figure = {"value": block_ap, "low": block_ap - 0.1, "high": block_ap + 0.1}
    figures = {"test": {"block_ap": figure, "recall_at_1": figure, "cgacc": figure}}
    return {
        "name": f"{method}-0",
        "figures": figures,
        "gains": {"imagenet_gray": {"test": {"value": 0.2, "low": 0.1, "high": 0.3}}},
        "block_ap_draws": {"test": draws},
        "elsewhere": {
            "recoloured": dict.fromkeys(
                ("model", "gray", "imagenet_gray", "model, gray pictures"), figure
            )
        },
    }


def test_goals_are_met_by_the_figures_alone() -> None:
    page = goals(
        [row("pbcnet_semi", 0.86, "0.86 0.84 0.88"), row("moco_v2", 0.82, "0.82 0.80 0.84")]
    )
    lines = {
        line.split("|")[1].strip(): line for line in page.splitlines() if line.startswith("| ")
    }
    assert lines["block AP ≥ 0.85"].endswith("yes |")
    assert lines["recall@1 ≥ 0.92"].endswith("no |")
    assert (
        "0.040 (0.040 to 0.040)" in lines["block AP ≥ 0.05 above moco_v2"]
    )  # paired: the same resamples
    assert lines["block AP ≥ 0.05 above moco_v2"].endswith("no |")
    assert lines["recoloured shop: not below itself fed gray pictures"].endswith("yes |")
    assert goals([row("moco_v2", 0.9, "0.9 0.9")]) == ""


def test_goals_are_judged_by_the_mean_over_seeds_with_its_own_interval() -> None:
    own = [row("pbcnet_semi", 0.88, "0.88 0.76 0.92"), row("pbcnet_semi", 0.80, "0.80 0.84 0.84")]
    page = goals([*own, row("moco_v2", 0.82, "0.82 0.80 0.80")])
    line = next(line for line in page.splitlines() if line.startswith("| block AP ≥ 0.85"))
    # The mean of both seeds has the resamples 0.80 and 0.88, and not those of one seed.
    assert "0.840 (0.802 to 0.878) | mean of 2 seeds" in line
    assert line.endswith("no |")
    above = "| block AP ≥ 0.05 above moco_v2 | 0.020 (0.002 to 0.078) | "
    assert f"{above}means of 2 seeds and 1 seed | no |" in page


def finished_rows() -> list[dict[str, Any]]:
    return [json.loads(file.read_text()) for file in sorted(FINISHED.glob("*.json"))]


def test_the_readme_says_what_the_finished_rows_say() -> None:
    rows = finished_rows()
    own = by_recipe([row for row in rows if row["group"] == "methods"])["pbcnet_semi"]
    recall = sum(row["figures"]["test"]["recall_at_1"]["value"] for row in own) / len(own)
    block_ap = interval_words(interval(block_ap_draws(own, "test")))
    readme = (ROOT / "README.md").read_text()
    assert f"| default, mean of {len(own)} seeds | {block_ap} | {recall:.3f} |" in readme
    for words, name in (
        ("ImageNet features of gray pictures", "imagenet_gray"),
        ("gray pixels", "gray"),
    ):
        figures = own[0]["baselines"][name]["test"]
        recall = figures["recall_at_1"]["value"]
        assert f"| {words} | {interval_words(figures['block_ap'])} | {recall:.3f} |" in readme


def test_the_pages_hold_what_the_finished_rows_make_of_them() -> None:
    rows = finished_rows()
    for page, built in {"results.md": findings(rows), "results-tables.md": tables(rows)}.items():
        text = (ROOT / "docs" / page).read_text()
        assert text.split(BEGIN)[1].split(END)[0].strip() == built.strip(), (
            f"docs/{page} is not what the rows say: `python -m benchmarks.results` writes it anew"
        )


def test_the_claims_of_the_findings_hold_in_the_finished_rows() -> None:
    rows = finished_rows()
    methods = by_recipe([row for row in rows if row["group"] == "methods"])
    ablations = {row["name"]: row for row in rows if row["group"] == "ablations"}
    own, untrained = methods["pbcnet_semi"], methods["untrained"]
    said = [line for line in findings(rows).splitlines() if line[:1].isdigit()]
    assert len(said) == 5

    assert "finds colour variants of brands that it has never seen" in said[0]
    assert all(row["gains"]["imagenet_gray"]["test"]["low"] > 0 for row in own)

    assert "Most of the gain needs no training" in said[1]
    start = untrained[0]["baselines"]["imagenet_gray"]["test"]["block_ap"]["value"]
    before, after = (interval(block_ap_draws(of, "test"))["value"] for of in (untrained, own))
    assert start < after
    assert before - start > (after - start) / 2

    assert "Annotated pairs help" in said[2]
    assert difference(own, methods["pbcnet"], "test")["low"] > 0

    assert "What the network sees counts more than the params of its loss" in said[4]
    changes = {
        name: abs(difference([row], [ablations["reference"]], "dev")["value"])
        for name, row in ablations.items()
    }
    of_the_loss = ("temperature-0.1", "rivals-off", "share-0.25", "rate-0.0003", "keep-query")
    assert min(changes[name] for name in TOLD) > max(changes[name] for name in of_the_loss)
