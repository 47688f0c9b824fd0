"""The results are built from finished rows alone, and an interrupted run continues."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import Clone

from benchmarks.checkout import ROOT
from benchmarks.findings import CENTERED, findings
from benchmarks.goals import DEFAULT, RIVALS, UNTRAINED, by_recipe, difference, goals, mean_metric
from benchmarks.markdown import interval_words
from benchmarks.results import FINISHED
from benchmarks.tables import BEGIN, END, tables

ROWS = {
    "pbcnet_semi-0": {"train.epochs": 1},
    "moco_v2-0": {"train.method": "moco_v2", "train.epochs": 1},
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
        for name in ROWS
    }
    for name, row in rows.items():
        value = row["figures"]["test"]["block_ap"]["value"]
        assert f"| {name} | {value:.3f} (" in page
    assert "### The goals" in page
    assert "goals are met." in (clone.root / "docs/results.md").read_text()
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


def row(method: str, value: float, draws: str) -> dict[str, object]:
    """A finished row of metrics made up."""
    figure = {"value": value, "low": value - 0.1, "high": value + 0.1}
    metrics = ("block_ap", "mean_ap", "recall_at_1", "cgacc")
    return {
        "name": f"{method}-0",
        "numbers": 512,
        "figures": {"test": dict.fromkeys(metrics, figure)},
        "draws": {"test": {"block_ap": draws, "mean_ap": draws}},
        "elsewhere": {
            "recoloured": dict.fromkeys(
                ("model", "imagenet_gray_whitened", "model, gray pictures"), figure
            )
        },
    }


def lines_of(page: str) -> dict[str, str]:
    """The lines of a table by their first cell."""
    return {line.split("|")[1].strip(): line for line in page.splitlines() if line.startswith("| ")}


def test_a_goal_is_met_by_its_value_and_a_proof_by_its_lower_bound() -> None:
    lines = lines_of(
        goals(
            [
                row("pbcnet_semi", 0.92, "0.92 0.90 0.94"),
                row("moco_v2", 0.88, "0.88 0.86 0.90"),
                row("untrained", 0.91, "0.91 0.91 0.90"),
            ]
        )
    )
    assert lines["block AP ≥ 0.9"].endswith("yes |")
    assert lines["recall@1 ≥ 0.955"].endswith("no |")
    assert "0.040 (0.040 to 0.040)" in lines["block AP above moco_v2"]  # the same resamples
    assert lines["block AP above moco_v2"].endswith("yes |")
    proof = lines["mean AP provably above the same network untrained and whitened"]
    assert "0.010 (-0.009 to 0.039)" in proof
    assert proof.endswith("no |")
    assert lines["recoloured shop: not below itself fed gray pictures"].endswith("yes |")
    assert goals([row("moco_v2", 0.9, "0.9 0.9")]) == ""


def test_goals_are_judged_by_the_mean_over_seeds_with_its_own_interval() -> None:
    own = [row("pbcnet_semi", 0.88, "0.88 0.76 0.92"), row("pbcnet_semi", 0.80, "0.80 0.84 0.84")]
    lines = lines_of(goals([*own, row("moco_v2", 0.82, "0.82 0.80 0.80")]))
    # The mean of both seeds has the resamples 0.80 and 0.88, and not those of one seed.
    assert "0.840 (0.802 to 0.878) | mean of 2 seeds" in lines["block AP ≥ 0.9"]
    assert lines["block AP ≥ 0.9"].endswith("no |")
    above = "| block AP above moco_v2 | 0.020 (0.002 to 0.078) | means of 2 seeds and 1 seed |"
    assert f"{above} yes |" == lines["block AP above moco_v2"]


def finished_rows() -> list[dict[str, Any]]:
    return [json.loads(file.read_text()) for file in sorted(FINISHED.glob("*.json"))]


def test_the_readme_says_what_the_finished_rows_say() -> None:
    own = by_recipe(finished_rows())[DEFAULT]
    readme = (ROOT / "README.md").read_text()
    cells = [interval_words(mean_metric(own, "test", name)) for name in ("mean_ap", "block_ap")] + [
        f"{mean_metric(own, 'test', 'recall_at_1')['value']:.3f}"
    ]
    assert f"| default, mean of {len(own)} seeds | {' | '.join(cells)} |" in readme
    for words, name in (
        ("ImageNet features of gray pictures, whitened", "imagenet_gray_whitened"),
        ("ImageNet features of gray pictures", "imagenet_gray"),
    ):
        metrics = own[0]["baselines"][name]["test"]
        cells = [interval_words(metrics[one]) for one in ("mean_ap", "block_ap")]
        recall = metrics["recall_at_1"]["value"]
        assert f"| {words} | {' | '.join(cells)} | {recall:.3f} |" in readme


def test_the_pages_hold_what_the_finished_rows_make_of_them() -> None:
    rows = finished_rows()
    for page, built in {"results.md": findings(rows), "results-tables.md": tables(rows)}.items():
        text = (ROOT / "docs" / page).read_text()
        assert text.split(BEGIN)[1].split(END)[0].strip() == built.strip(), (
            f"docs/{page} is not what the rows say: `python -m benchmarks.results` writes it anew"
        )


def test_the_claims_of_the_findings_hold_in_the_finished_rows() -> None:
    methods = by_recipe(finished_rows())
    own, untrained, centered = methods[DEFAULT], methods[UNTRAINED], methods[CENTERED]
    said = [line for line in findings(finished_rows()).splitlines() if line[:1].isdigit()]
    assert len(said) == 5

    assert "finds colour variants of brands that it has never seen" in said[0]
    gains = [row["gains"] for row in own]
    assert min(one["imagenet_gray"]["test"]["mean_ap"]["low"] for one in gains) > 0
    assert min(one["imagenet_gray_whitened"]["test"]["mean_ap"]["value"] for one in gains) > 0

    assert "Whitening helps each product find its variants first" in said[1]
    changes = [
        [difference(untrained, centered, split, name) for split in ("test", "dev")]
        for name in ("mean_ap", "block_ap")
    ]
    assert all(change["value"] > 0 for change in changes[0])
    test, dev = changes[1]
    assert not (test["low"] > 0 and dev["low"] > 0), "block AP is settled: say so"

    assert "Training adds to whitened features, and mean AP sees it" in said[2]
    assert difference(own, untrained, "test", "mean_ap")["low"] > 0

    assert "No rival is above the default" in said[3]
    for rival in RIVALS:
        for name in ("mean_ap", "block_ap"):
            assert difference(own, methods[rival], "test", name)["high"] > 0, (rival, name)
