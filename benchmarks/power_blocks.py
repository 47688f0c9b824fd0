"""`python -m benchmarks.power_blocks` measures how many complete blocks the gate needs.

Test sets are drawn from the complete blocks of real photos, with replacement; the models are those
of `benchmarks.power`. How often the bound is above 0 where nothing was gained shows from how many
blocks on it holds what it promises; how the difference deviates gives the number that proves a
gain.

It writes benchmarks/power_blocks.json and its table in docs/promotion.md.
"""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from scipy.stats import norm

from benchmarks.checkout import ROOT, commit
from benchmarks.markdown import table, write_between
from benchmarks.power import (
    CHANGED,
    COMPARISONS,
    PAGE,
    PAIRS,
    RESAMPLES,
    copies_of_blocks,
    embeddings,
    summary,
)
from flows.registry.versions import POLICY
from ml.core.command import run_app
from ml.core.files import write_json
from ml.core.progress import progress
from ml.evaluate.bootstrap import spread
from ml.evaluate.complete_blocks import CompleteBlocks, build_complete_blocks
from ml.evaluate.complete_evaluation import CompleteEvaluation
from ml.evaluate.metric_words import COMPLETE_BLOCK_AP
from ml.promote.alpha_spending import spendable
from ml.promote.policy import GatePolicy, load_policy

OUT = Path(__file__).with_suffix(".json")
START = "<!-- written by benchmarks.power_blocks: -->"
SIZES = (2, 4, 8, 16, 32, 64, 128)  # complete blocks of a test set
GAINS = (0.05, 0.1, 0.2)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
Measured = dict[str, Any]


@app.command()
def main(
    source: Annotated[Path, typer.Option(help="Folder of a shop with complete blocks.")] = Path(
        "../shared/data/myntra"
    ),
    sets: Annotated[int, typer.Option(help="Test sets of each size.")] = 1000,
) -> None:
    """Runs the simulation; writes benchmarks/power_blocks.json and the table."""
    policy = load_policy(ROOT / POLICY).gate
    products, blocks, unsure = (
        pd.read_csv(source / f"{name}.csv", dtype=str, keep_default_na=False)
        for name in ("catalog", "blocks", "blocks_unsure_pairs")
    )
    truth = build_complete_blocks(products, blocks, unsure)
    models = {
        name: found[truth.indices]
        for name, found in embeddings(products, source / "images").items()
    }
    measured = []
    with progress("test sets", len(SIZES) * sets, "test sets") as advance:
        for size in SIZES:
            found = []
            for seed in range(sets):
                found.append(differences(models, truth, size, seed))
                advance(1)
            measured += [summary(size, name, found, policy) for name in found[0]]
    result = {
        "commit": commit(),
        **truth.facts(),
        "sets": sets,
        "resamples": RESAMPLES,
        "measured": measured,
        "needed": needed(measured, policy),
    }
    write_json(OUT, result)
    write_between(PAGE, START, blocks_table(result))
    print(blocks_table(result))


def differences(
    models: dict[str, np.ndarray], truth: CompleteBlocks, size: int, seed: int
) -> dict[tuple[str, str], tuple[float, float]]:
    """Compares each pair of models on complete blocks that are drawn; see `power.differences`."""
    random = np.random.default_rng((size, seed))
    places, drawn = drawn_blocks(truth, size, random)
    draws = {
        name: CompleteEvaluation(found[places], drawn, RESAMPLES, seed).block_ap_draws()
        for name, found in models.items()
    }
    return {
        (pair, COMPLETE_BLOCK_AP): (float(gain[0]), spread(gain))
        for pair, (one, other) in PAIRS.items()
        for gain in [draws[one] - draws[other]]
    }


def drawn_blocks(
    truth: CompleteBlocks, size: int, random: np.random.Generator
) -> tuple[np.ndarray, CompleteBlocks]:
    """Draws blocks with replacement until there are `size`, variants among them.

    A block that is drawn twice counts as two blocks.

    Returns:
        int (products,), positions among the products of complete blocks, and the truth of these.
    """
    pairs = truth.pairs
    known = np.unique(truth.block[pairs.left])  # blocks with a decided pair
    varied = np.unique(truth.block[pairs.left[pairs.label]])
    while True:
        drawn = random.choice(known, size)
        if np.isin(drawn, varied).any():  # the gate measures nothing else
            break
    places, block, design, own = copies_of_blocks(truth, pairs, drawn.tolist())
    unsure = np.zeros((0, 2), int)
    return places, CompleteBlocks(np.arange(len(places)), block, design, own, unsure)


def needed(measured: list[Measured], policy: GatePolicy) -> list[Measured]:
    """Computes how many complete blocks prove a gain, by the largest test sets.

    The metric shares the level of the comparison with the policy's metrics (Holm).

    Returns:
        For each gain and number of the comparison: {"comparison", "gain", "blocks"}.
    """
    (row,) = (one for one in measured if one["size"] == SIZES[-1] and one["pair"] == CHANGED)
    rows = []
    for comparison in COMPARISONS:
        level = spendable(policy.significance, comparison) / len({*policy.metrics, row["metric"]})
        reach = norm.isf(level) * row["spread"] + norm.ppf(policy.power) * row["deviation"]
        for gain in GAINS:
            blocks = int(np.ceil(row["size"] * (reach / gain) ** 2))
            rows.append({"comparison": comparison, "gain": gain, "blocks": blocks})
    return rows


def blocks_table(result: Measured) -> str:
    """Returns both tables of docs/promotion.md, in Markdown."""
    lines = [
        f"| {row['size']} | {row['deviation']:.3f} | {row['spread']:.3f} | {row['lucky']:.1%} |"
        for row in result["measured"]
        if row["pair"] == CHANGED
    ]
    found = {(row["gain"], row["comparison"]): row["blocks"] for row in result["needed"]}
    shares = [
        f"| {gain:g} | {' | '.join(f'{found[gain, one]:,}' for one in COMPARISONS)} |"
        for gain in GAINS
    ]
    told = ["complete blocks", "deviation of the gain", "by the bootstrap", "lucky at level 0.05"]
    proven = ["a gain of", *(f"complete blocks, comparison {one}" for one in COMPARISONS)]
    return table(told, lines) + "\n" + table(proven, shares)


if __name__ == "__main__":
    run_app(app)
