"""docs/results.md and docs/results-tables.md: what is built from the finished rows' JSON files."""

from itertools import product
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.findings import findings
from benchmarks.goals import by_recipe, goals
from benchmarks.markdown import interval_words, table
from ml.core.files import read_json, replacing

BEGIN, END = "<!-- built by `make results`: begin -->", "<!-- built by `make results`: end -->"
COLUMNS = {
    "block_ap": "block AP",
    "mean_ap": "mean AP",
    "hard_ap": "hard AP",
    "block_auc": "block AUC",
    "recall_at_1": "recall@1",
    "tpr_at_1_fpr": "TPR@1 %FPR",
    "ari": "ARI",
    "fms": "FMS",
    "nmi": "NMI",
    "cgacc": "CGacc",
}
BASELINE = {
    "pixels": "colour pixels",
    "gray": "gray pixels",
    "imagenet": "ImageNet, colour",
    "imagenet_gray": "ImageNet, gray",
    "imagenet_gray_whitened": "ImageNet, gray, whitened",
}
OVER_SEEDS = list(product(("test", "dev"), ("block_ap", "mean_ap", "recall_at_1", "cgacc")))

NOT_MEASURED = {"value": None}  # in a row from before there was such a metric

Row = dict[str, Any]


def write_results(finished: Path, docs: Path) -> list[Path]:
    """Puts the findings and the tables between the marks of their pages; the rest of a page stays.

    Args:
        finished: the folder of the rows' JSON files.
        docs: the folder of results.md, which gets the findings, and of results-tables.md.

    Returns:
        Both pages.
    """
    rows = [read_json(file) for file in sorted(finished.glob("*.json"))]
    built = {docs / "results.md": findings(rows), docs / "results-tables.md": tables(rows)}
    for page, text in built.items():
        old = page.read_text(encoding="utf-8")
        before, after = old.split(BEGIN)[0], old.split(END)[-1]
        with replacing(page) as beside:
            beside.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}", encoding="utf-8")
    return list(built)


def tables(rows: list[Row]) -> str:
    """Markdown of all tables."""
    if not rows:
        return ""
    methods = sorted(rows, key=lambda row: row["name"])
    parts = [goals(methods), *(figures_table(methods, split) for split in ("test", "dev"))]
    parts += [seeds_table(methods), gains_table(methods), elsewhere_table(methods)]
    return "\n".join(parts)


def figures_table(methods: list[Row], split: str) -> str:
    """Every method and seed, with the baselines below."""
    lines = [line(row["name"], row["figures"][split]) for row in methods]
    sizes = sorted({row["size"] for row in methods})
    lines += [
        line(
            f"{words}{f', {size} px' if len(sizes) > 1 else ''}",
            named(methods, size)["baselines"][name][split],
        )
        for size in sizes
        for name, words in BASELINE.items()
    ]
    return headed(f"Methods on the {split} brands", ["method-seed", *COLUMNS.values()], lines)


def seeds_table(methods: list[Row]) -> str:
    """Mean over the seeds of a method, with its lowest and highest: what one seed may hide."""
    lines = []
    for method, seeds in by_recipe(methods).items():
        cells = []
        for split, name in OVER_SEEDS:
            found = [row["figures"][split].get(name, NOT_MEASURED)["value"] for row in seeds]
            if None in found:
                cells.append("")
                continue
            spread = f" ({min(found):.3f} to {max(found):.3f})" if len(found) > 1 else ""
            cells.append(f"{mean(found):.3f}{spread}")
        lines.append(f"| {method} | {len(seeds)} | {' | '.join(cells)} |")
    columns = [f"{split}: {COLUMNS[name]}" for split, name in OVER_SEEDS]
    return headed("Over seeds: mean, lowest and highest", ["method", "seeds", *columns], lines)


def gains_table(methods: list[Row]) -> str:
    """Paired differences to the hardest baseline, and what each row cost."""
    lines = []
    for row in methods:
        over = row["gains"]["imagenet_gray_whitened"]["test"]
        gains = [interval_words(over[name]) for name in ("mean_ap", "block_ap")]
        epoch = f"{row['kept_epoch']} of {row['epochs']}"
        cost = [str(row[name]) for name in ("numbers", "train_seconds", "machine", "commit")]
        lines.append(f"| {' | '.join([row['name'], *gains, epoch, *cost])} |")
    columns = [
        *("row", "mean AP", "block AP", "epoch kept"),
        *("numbers an embedding", "seconds of training", "on", "commit"),
    ]
    return headed(
        "Gains over ImageNet, gray, whitened on test (paired by resample), and costs",
        columns,
        lines,
    )


def elsewhere_table(methods: list[Row]) -> str:
    """Block AP on the second shops."""
    kinds = list(methods[0]["elsewhere"])
    asked = ["model", "model, gray pictures", *BASELINE]
    words = ["", ", fed gray pictures", *(f": {name}" for name in BASELINE.values())]
    lines = [
        f"| {row['name']}{said} | "
        + " | ".join(interval_words(row["elsewhere"][kind][name]) for kind in kinds)
        + " |"
        for place, row in enumerate(methods)
        for name, said in zip(asked, words, strict=True)
        if place == 0 or not said.startswith(":")
    ]
    lines = [text.replace(f"| {methods[0]['name']}: ", "| baseline: ") for text in lines]
    return headed("Block AP on second shops, never seen", ["row", *kinds], lines)


def headed(title: str, columns: list[str], lines: list[str]) -> str:
    """A table under its title."""
    return f"### {title}\n\n{table(columns, lines)}"


def line(name: str, figures: Row) -> str:
    """A Markdown row: every metric with its interval."""
    cells = [interval_words(figures.get(column, NOT_MEASURED)) for column in COLUMNS]
    return f"| {name} | {' | '.join(cells)} |"


def named(rows: list[Row], size: int) -> Row:
    """A row of that resolution, whose baselines are the same for all."""
    return next(row for row in rows if row["size"] == size)
