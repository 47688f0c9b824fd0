"""`python -m benchmarks.grouping`: the ways of grouping, compared on the dev split of a finished pipeline.

No threshold is judged by the designs that chose it: dev's designs are halved again and again, and a
threshold is chosen by the ARI of one half and judged on the other, both ways. Figures are means
over all of these. The annotated dev products are always grouped together, rivals and all; designs
of the other half just do not count. Intervals resample designs and take the chosen thresholds as
given; gains are paired on the same resamples.
"""

from pathlib import Path
from typing import Annotated, Any, get_args

import numpy as np
import pandas as pd
import typer

from benchmarks.checkout import commit
from benchmarks.markdown import interval_words
from ml.core.command import run_app
from ml.core.errors import UserError
from ml.core.files import read_table, write_json
from ml.core.params import load_params
from ml.core.paths import EMBEDDED, PARAMS, PREPARED
from ml.core.progress import progress
from ml.data.annotations import Annotations, build_annotations
from ml.data.blocks import block_numbers, relative_to_block
from ml.evaluate.bootstrap import interval, resample
from ml.evaluate.evaluation import group_metrics
from ml.evaluate.params import EvaluateParams
from ml.evaluate.threshold import Choice, ari_by_threshold, pick_threshold
from ml.grouping.grouping import CLUSTERINGS, Grouping

OUT = Path(__file__).with_name("grouping.json")
FIGURES = {"ari": "ARI", "fms": "FMS", "cgacc": "CGacc", "cg_precision": "CG precision"}
CHOICES = get_args(Choice)
DEFAULT = "average, best"  # what the others' gains are over
CHOOSING = 100  # resamples of a half behind the choice "resampled"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    prepared: Annotated[
        Path, typer.Option(help="Folder of products.parquet and pairs.parquet.")
    ] = PREPARED,
    embedded: Annotated[
        Path, typer.Option(help="Folder of embeddings.npy, a row for each product.")
    ] = EMBEDDED,
    params_file: Annotated[
        Path, typer.Option(help="For resamples, seed and block_prior.")
    ] = PARAMS,
    halvings: Annotated[int, typer.Option(min=1, help="How often the designs are halved.")] = 20,
    out: Annotated[Path, typer.Option(help="The JSON file.")] = OUT,
) -> None:
    """Compares every clustering at every choice of threshold; prints a table and writes JSON."""
    params = load_params("evaluate", EvaluateParams, params_file)
    embeddings, annotations = dev_split(prepared, embedded, params.block_prior)
    halves = halve(annotations.design, halvings, params.seed)
    weight = resample(halves.shape[1], params.resamples, params.seed)
    rows: dict[str, dict[str, np.ndarray]] = {}
    chosen: dict[str, list[float]] = {}
    with progress("grouping", len(CLUSTERINGS), "clusterings") as advance:
        for name in CLUSTERINGS:
            grouping = Grouping(embeddings, annotations.block, name)
            for choice, thresholds in choose(
                grouping, annotations.design, halves, params.seed
            ).items():
                chosen[f"{name}, {choice}"] = thresholds
                rows[f"{name}, {choice}"] = judge(
                    grouping, annotations.design, thresholds, halves, weight
                )
            advance()
    table = [entry(name, rows, chosen[name]) for name in rows]
    size = np.bincount(annotations.design)
    facts = {
        "products": len(annotations.indices),
        "designs": len(size),
        "designs_of_two_or_more": int((size >= 2).sum()),
    }
    settings = {"halvings": halvings, "resamples": params.resamples, "seed": params.seed}
    write_json(out, {"dev": facts, **settings, "commit": commit(), "rows": table})
    print(markdown(table))
    print(f"written: {out}")


def dev_split(prepared: Path, embedded: Path, prior: float) -> tuple[np.ndarray, Annotations]:
    """Embeddings of the annotated dev products, relative to their whole blocks as in stage evaluate, and their truth.

    Raises:
        UserError: files are missing, are not of one run, or the dev split has too few designs to
            halve.
    """
    needed = [
        prepared / "products.parquet",
        prepared / "pairs.parquet",
        embedded / "embeddings.npy",
    ]
    missing = [str(file) for file in needed if not file.is_file()]
    if missing:
        raise UserError(
            f"there is no {' and no '.join(missing)}: run the pipeline, or name the folders of a finished run"
        )
    products, pairs = read_table(needed[0]), read_table(needed[1])
    rows = np.load(needed[2])
    if len(rows) != len(products):
        raise UserError(
            f"{needed[2]} has {len(rows)} rows and {needed[0]} {len(products)}: they are of two runs"
        )
    dev = np.flatnonzero(products["split"] == "dev")
    annotations = build_annotations(products.iloc[dev], pairs)
    if not annotations.complete or (np.bincount(annotations.design) >= 2).sum() < 2:
        raise UserError(
            "the dev split needs annotated pairs of both kinds and two designs in several colours at least"
        )
    return relative_to_block(rows, block_numbers(products), prior)[dev][
        annotations.indices
    ], annotations


def halve(design: np.ndarray, halvings: int, seed: int) -> np.ndarray:
    """Random halves of the designs, each followed by the other one: bool (2 · halvings, designs).

    Both hold as many designs of two or more products, give or take one, and as many single
    products.
    """
    random = np.random.default_rng(seed)
    single = np.bincount(design) < 2
    halves = np.zeros((2 * halvings, len(single)), dtype=bool)
    for place in range(0, len(halves), 2):
        order = random.permutation(len(single))
        order = order[np.argsort(single[order], kind="stable")]
        halves[place, order[::2]] = halves[place + 1, order[1::2]] = True
    return halves


def choose(
    grouping: Grouping, design: np.ndarray, halves: np.ndarray, seed: int
) -> dict[Choice, list[float]]:
    """Each half's thresholds, by each way of choosing."""
    thresholds = grouping.thresholds()
    drawn = np.stack(
        [_resampled(half, seed) for half in halves]
    )  # (halves, 1 + resamples, designs)
    ari = ari_by_threshold(grouping, design, drawn.reshape(-1, halves.shape[1]))
    ari = ari.reshape(len(thresholds), len(halves), -1)
    return {
        choice: [pick_threshold(thresholds, ari[:, place], choice) for place in range(len(halves))]
        for choice in CHOICES
    }


def judge(
    grouping: Grouping,
    design: np.ndarray,
    thresholds: list[float],
    halves: np.ndarray,
    weight: np.ndarray,
) -> dict[str, np.ndarray]:
    """Figures of each half at the threshold that the other one chose, mean over the halves: float (resamples,) each.

    A resample in which a half has no design of two or more products leaves that half out of the
    mean of CGacc.
    """
    found = [
        group_metrics(design, grouping.cut(threshold), weight * ~half)
        for threshold, half in zip(thresholds, halves, strict=True)
    ]
    return {name: np.nanmean([figures[name] for figures in found], axis=0) for name in FIGURES}


def entry(
    name: str, rows: dict[str, dict[str, np.ndarray]], thresholds: list[float]
) -> dict[str, Any]:
    """A row of the JSON: figures and gains over `DEFAULT` with intervals, and the thresholds that were chosen."""
    return {
        "name": name,
        "figures": {figure: interval(values) for figure, values in rows[name].items()},
        "gains": {
            figure: interval(values - rows[DEFAULT][figure])
            for figure, values in rows[name].items()
        },
        "thresholds": thresholds,
    }


def markdown(table: list[dict[str, Any]]) -> str:
    """The table to print; the spread is the standard deviation of the chosen thresholds."""
    lines = [
        {
            "clustering, threshold by": row["name"],
            **{words: interval_words(row["figures"][figure]) for figure, words in FIGURES.items()},
            "gain in ARI": interval_words(row["gains"]["ari"]),
            "thresholds": f"{np.mean(row['thresholds']):.3f} ± {np.std(row['thresholds']):.3f}",
        }
        for row in table
    ]
    frame = pd.DataFrame(lines)
    rows = [list(frame.columns), ["---"] * len(frame.columns), *frame.to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def _resampled(half: np.ndarray, seed: int) -> np.ndarray:
    """Resamples of a half's designs, the half itself first: float (1 + CHOOSING, designs)."""
    drawn = np.zeros((1 + CHOOSING, len(half)))
    drawn[:, half] = resample(int(half.sum()), CHOOSING, seed)
    return drawn


if __name__ == "__main__":
    run_app(app)
