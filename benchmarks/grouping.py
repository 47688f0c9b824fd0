"""`python -m benchmarks.grouping` compares the clusterings on the dev split of a finished pipeline.

No threshold is measured on the designs that chose it. The designs of dev are halved again and
again; the ARI of one half chooses a threshold, the other half measures it, and then the halves
change roles. Metrics are means over all of these. All annotated dev products are always grouped
together, and the designs of the other half have weight 0. Intervals resample designs and take the
chosen thresholds as given; gains are paired on the same resamples.
"""

from pathlib import Path
from typing import Annotated, Any, get_args

import numpy as np
import typer

from benchmarks.checkout import commit
from benchmarks.markdown import interval_words, table
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
METRICS = {"ari": "ARI", "fms": "FMS", "cgacc": "CGacc", "cg_precision": "CG precision"}
CHOICES = get_args(Choice)
DEFAULT = "average, best"  # clustering and choice of threshold that gains are over
CHOOSING = 100  # resamples of a half, for the choice "resampled"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    prepared: Annotated[
        Path, typer.Option(help="Folder of products.parquet and pairs.parquet.")
    ] = PREPARED,
    embedded: Annotated[
        Path, typer.Option(help="Folder of embeddings.npy, an embedding for each product.")
    ] = EMBEDDED,
    params_file: Annotated[
        Path, typer.Option(help="For resamples, seed and block_prior.")
    ] = PARAMS,
    halvings: Annotated[int, typer.Option(min=1, help="How often the designs are halved.")] = 20,
    out: Annotated[Path, typer.Option(help="The JSON file.")] = OUT,
) -> None:
    """Compares every clustering with every choice of threshold; prints a table, writes JSON."""
    params = load_params("evaluate", EvaluateParams, params_file)
    embeddings, annotations = dev_split(prepared, embedded, params.block_prior)
    halves = halve(annotations.design, halvings, params.seed)
    weight = resample(halves.shape[1], params.resamples, params.seed)
    draws: dict[str, dict[str, np.ndarray]] = {}
    chosen: dict[str, list[float]] = {}
    design = annotations.design
    with progress("grouping", len(CLUSTERINGS), "clusterings") as advance:
        for name in CLUSTERINGS:
            grouping = Grouping(embeddings, annotations.block, name)
            for choice, thresholds in choose(grouping, design, halves, params.seed).items():
                chosen[f"{name}, {choice}"] = thresholds
                draws[f"{name}, {choice}"] = judge(grouping, design, thresholds, halves, weight)
            advance()
    rows = [entry(name, draws, chosen[name]) for name in draws]
    size = np.bincount(design)
    facts = {
        "products": len(annotations.indices),
        "designs": len(size),
        "designs_of_two_or_more": int((size >= 2).sum()),
    }
    settings = {"halvings": halvings, "resamples": params.resamples, "seed": params.seed}
    write_json(out, {"dev": facts, **settings, "commit": commit(), "rows": rows})
    print(markdown(rows))
    print(f"written: {out}")


def dev_split(prepared: Path, embedded: Path, prior: float) -> tuple[np.ndarray, Annotations]:
    """Loads the embeddings and the annotations of the annotated dev products.

    Args:
        prepared: folder of products.parquet and pairs.parquet.
        embedded: folder of embeddings.npy.
        prior: the param `evaluate.block_prior`.

    Returns:
        float (annotated products, size), relative to the products' whole blocks as in the stage
        evaluate, and the annotations.

    Raises:
        UserError: files are missing or are of different runs, or the dev split has too few designs
            to halve.
    """
    files = prepared / "products.parquet", prepared / "pairs.parquet", embedded / "embeddings.npy"
    missing = [str(file) for file in files if not file.is_file()]
    if missing:
        raise UserError(
            f"there is no {' and no '.join(missing)}: run the pipeline, or name the folders of a "
            "finished run"
        )
    products, pairs, embeddings = read_table(files[0]), read_table(files[1]), np.load(files[2])
    if len(embeddings) != len(products):
        raise UserError(
            f"{files[2]} has {len(embeddings)} embeddings, but {files[0]} has {len(products)} "
            "products: name folders of the same run"
        )
    dev = np.flatnonzero(products["split"] == "dev")
    annotations = build_annotations(products.iloc[dev], pairs)
    if not annotations.complete or (np.bincount(annotations.design) >= 2).sum() < 2:
        raise UserError(
            f"the dev split of {files[1]} is too small to halve: annotate pairs of both kinds in "
            "its brands, and at least two designs in several colours"
        )
    relative = relative_to_block(embeddings, block_numbers(products), prior)
    return relative[dev[annotations.indices]], annotations


def halve(design: np.ndarray, halvings: int, seed: int) -> np.ndarray:
    """Draws random halves of the designs.

    Both halves hold equally many designs of two or more products, and equally many single products,
    up to one.

    Args:
        design: int (products,), the design of each product.

    Returns:
        bool (2 · halvings, designs): which designs are in a half. Each half is followed by the
        other one of the same halving.
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
    """Chooses a threshold by each half, in each way of choosing.

    Args:
        grouping: of the annotated products.
        design: int (products,), the design of each product.
        halves: bool (halves, designs), see `halve`.

    Returns:
        {choice: a threshold for each half}.
    """
    thresholds = grouping.thresholds()
    drawn = np.stack([_resampled(half, seed) for half in halves])  # halves, 1 + resamples, designs
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
    """Measures the threshold that each half chose on the other half; means over the halves.

    A resample in which a half has no design of two or more products leaves that half out of the
    mean of CGacc.

    Args:
        design: int (products,), the design of each product.
        thresholds: one for each half.
        halves: bool (halves, designs), see `halve`.
        weight: float (resamples, designs), see `ml.evaluate.bootstrap.resample`.

    Returns:
        {metric of `METRICS`: float (resamples,)}.
    """
    found = [
        group_metrics(design, grouping.cut(threshold), weight * ~half)
        for threshold, half in zip(thresholds, halves, strict=True)
    ]
    return {name: np.nanmean([metrics[name] for metrics in found], axis=0) for name in METRICS}


def entry(
    name: str, draws: dict[str, dict[str, np.ndarray]], thresholds: list[float]
) -> dict[str, Any]:
    """Returns a row of the JSON.

    Args:
        name: of a clustering with a choice of threshold, such as "average, best".
        draws: name → what `judge` returned.
        thresholds: that were chosen, one for each half.

    Returns:
        {"name", "metrics": {metric: its interval}, "gains": the same, over `DEFAULT`, paired by
        resample, "thresholds"}.
    """
    own, default = draws[name], draws[DEFAULT]
    return {
        "name": name,
        "metrics": {metric: interval(values) for metric, values in own.items()},
        "gains": {metric: interval(values - default[metric]) for metric, values in own.items()},
        "thresholds": thresholds,
    }


def markdown(rows: list[dict[str, Any]]) -> str:
    """Renders rows of the JSON in Markdown, with mean ± standard deviation of the thresholds."""
    lines = []
    for row in rows:
        metrics = [interval_words(row["metrics"][metric]) for metric in METRICS]
        thresholds = f"{np.mean(row['thresholds']):.3f} ± {np.std(row['thresholds']):.3f}"
        cells = [row["name"], *metrics, interval_words(row["gains"]["ari"]), thresholds]
        lines.append(f"| {' | '.join(cells)} |")
    columns = ["clustering, threshold by", *METRICS.values(), "gain in ARI", "thresholds"]
    return table(columns, lines)


def _resampled(half: np.ndarray, seed: int) -> np.ndarray:
    """Resamples the designs of a half, the half itself first: float (1 + CHOOSING, designs)."""
    drawn = np.zeros((1 + CHOOSING, len(half)))
    drawn[:, half] = resample(int(half.sum()), CHOOSING, seed)
    return drawn


if __name__ == "__main__":
    run_app(app)
