"""Writes what `benchmarks.annotation` measured into docs/results.md, with its chart."""

from pathlib import Path
from typing import Any

from benchmarks.checkout import ROOT
from benchmarks.markdown import interval_words, table, write_between
from ml.core.files import read_json, replacing

PAGE, CHART = ROOT / "docs/results.md", ROOT / "docs/images/annotation.png"
START = "<!-- written by benchmarks.annotation: -->"
MEASURED = Path(__file__).with_name("annotation.json")


def write_page(measured: dict[str, Any]) -> None:
    """Writes tables and chart."""
    write_between(PAGE, START, tables(measured))
    draw(measured["replay"], CHART)


def tables(measured: dict[str, Any]) -> str:
    """Returns the three tables as Markdown."""
    estimates = [
        f"| {one['budget']} | `{row['metric']}` | {row['true']:.3f} | {row['mean']:.3f} ± "
        f"{row['deviation']:.3f} | {row['width']:.2f} | {100 * row['coverage']:.0f} % | "
        f"{row['all_suggested']:.3f} |"
        for one in measured["estimate"]
        for row in one["rows"]
    ]
    doubts = [
        f"| {row['by']} | {100 * row['found']:.0f} % ± {100 * row['deviation']:.0f} |"
        for row in measured["doubts"]["rows"]
    ]
    replayed = [
        f"| {name} | {row['pairs']} | {row['variants']:.0f} | "
        f"{' | '.join(_cells(row, of) for of in ('block_ap', 'mean_ap'))} |"
        for name, one in measured["replay"].items()
        for row in one["rows"]
        if row["way"] == "suggested" and row["pairs"]
    ]
    return "\n".join(
        [
            table(
                ["pairs", "metric", "true", "estimate", "width of the interval",
                 "intervals that hold the truth", "from all suggested pairs"], estimates,
            ),
            table(["order", "flipped answers among the first 10 %"], doubts),
            table(
                ["features", "pairs", "variants among them", "block AP, suggested",
                 "less random", "mean AP, suggested", "less random"], replayed,
            ),
        ]
    )  # fmt: skip


def _cells(row: dict[str, Any], metric: str) -> str:
    gain = row[f"{metric}_gain"]
    return f"{row[metric]['value']:.3f} ± {row[f'{metric}_deviation']:.3f} | {interval_words(gain)}"


def draw(replayed: dict[str, Any], path: Path) -> None:
    """Draws block AP and mean AP against the number of pairs, for both ways to choose them."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.4))
    colours = {"suggested": "#0072b2", "random": "#d55e00"}
    for place, metric, title in zip(
        axes, ("block_ap", "mean_ap"), ("block AP", "mean AP"), strict=True
    ):
        for name, one in replayed.items():
            for way, colour in colours.items():
                rows = [row for row in one["rows"] if row["way"] == way]
                place.errorbar(
                    [row["pairs"] for row in rows],
                    [row[metric]["value"] for row in rows],
                    yerr=[row[f"{metric}_deviation"] for row in rows],
                    color=colour,
                    linestyle="-" if name == "plain" else "--",
                    capsize=2,
                    label=f"{way}, {name} features",
                )
        place.set_xlabel("pairs of train brands")
        place.set_ylabel(f"{title} on the test brands")
        place.spines[["top", "right"]].set_visible(False)
    axes[0].legend(frameon=False, fontsize=8)
    figure.tight_layout()
    with replacing(path) as beside:
        figure.savefig(beside, format="png", dpi=110, metadata={"Software": None})
    pyplot.close(figure)


if __name__ == "__main__":
    write_page(read_json(MEASURED))
