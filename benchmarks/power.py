"""`python -m benchmarks.power` measures how many annotated products the gate's policies need.

Test sets of a size are drawn from the annotated blocks of real photos, in whole blocks with
replacement. Three embeddings of the untrained encoder stand for models: plain, whitened (PCA, 512
numbers), and half whitened. The last two are as alike as two trainings of one recipe: in block AP
their difference deviates as much as that of two seeds in docs/results-tables.md. On each test set
the gate's bound is computed for both pairs of models. How the difference deviates from set to set
gives the number of products that prove a gain with the policy's power, since deviations shrink with
the root of that number; how often the bound is above 0 where nothing was gained shows whether the
bound holds what it promises.

It writes benchmarks/power.json and the table of docs/promotion.md.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from scipy.stats import norm
from sklearn.decomposition import PCA

from benchmarks.checkout import ROOT, WORK, commit
from benchmarks.markdown import table, write_between
from flows.registry.versions import POLICY
from ml.core.command import run_app
from ml.core.files import replacing, write_json
from ml.core.progress import progress
from ml.data.annotations import Annotations, PairSet, build_annotations
from ml.data.blocks import block_numbers, relative_to_block
from ml.evaluate.bootstrap import Resamples, spread
from ml.evaluate.complete_blocks import CompleteBlocks
from ml.evaluate.evaluation import Evaluation
from ml.promote.alpha_spending import spendable
from ml.promote.policy import GatePolicy, load_policy
from ml.untrained.predictor import BLOCK_PRIOR, untrained_predictor
from ml.untrained.whitening import half_whitened

OUT = Path(__file__).with_suffix(".json")
PAGE = ROOT / "docs/promotion.md"
START = "<!-- written by benchmarks.power: -->"
SIZES = (300, 600, 1200, 2400)  # annotated products of a test set
NUMBERS = 512  # of a whitened embedding
RESAMPLES = 300  # enough for a spread; the gate's bound needs no more of them
GAINS = (0.02, 0.05)
COMPARISONS = (1, 12)  # the first on these pairs, and that of a shop after a year of months
CHANGED, ALIKE = "changed", "alike"
PAIRS = {CHANGED: ("whitened", "plain"), ALIKE: ("whitened", "half whitened")}

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
Measured = dict[str, Any]


@app.command()
def main(
    source: Annotated[Path, typer.Option(help="Folder of a shop with annotated pairs.")] = Path(
        "../shared/data/myntra"
    ),
    sets: Annotated[int, typer.Option(help="Test sets of each size.")] = 500,
) -> None:
    """Runs the simulation; writes benchmarks/power.json and the table of docs/promotion.md."""
    policy = load_policy(ROOT / POLICY).gate
    products = pd.read_csv(source / "catalog.csv", dtype=str, keep_default_na=False)
    annotated = pd.read_csv(source / "pairs.csv", dtype={"left": str, "right": str})
    models = embeddings(products, source / "images")
    annotations = build_annotations(products, annotated)
    models = {name: found[annotations.indices] for name, found in models.items()}
    measured = []
    with progress("test sets", len(SIZES) * sets, "test sets") as advance:
        for size in SIZES:
            found = []
            for seed in range(sets):
                found.append(differences(models, annotations, policy.metrics, size, seed))
                advance(1)
            measured += [summary(size, name, found, policy) for name in found[0]]
    facts = {"products": len(annotations.indices), "sets": sets, "resamples": RESAMPLES}
    result = {"commit": commit(), **facts, "measured": measured, "needed": needed(measured, policy)}
    write_json(OUT, result)
    write_between(PAGE, START, power_table(result))
    print(power_table(result))


def embeddings(products: pd.DataFrame, images: Path) -> dict[str, np.ndarray]:
    """Embeds all products by each model: float (products, size), each of length 1.

    The encoder's embeddings are kept in .variants/benchmarks/power.npz.
    """
    kept = WORK / "power.npz"
    if not kept.is_file():
        contents = [(images / f"{one}.jpg").read_bytes() for one in products["product_id"]]
        with progress("embed", len(products), "pictures") as advance:
            found = untrained_predictor().embed(contents, products["article_type"], advance)
        kept.parent.mkdir(parents=True, exist_ok=True)
        with replacing(kept) as beside, beside.open("wb") as file:
            np.savez(file, embeddings=found.embeddings, readable=found.readable)
    with np.load(kept) as loaded:
        raw, good = loaded["embeddings"], loaded["readable"]
    whitened = PCA(NUMBERS, whiten=True, svd_solver="full").fit_transform(raw[good])
    made = {
        "plain": raw[good] - raw[good].mean(axis=0),
        "whitened": whitened,
        "half whitened": half_whitened(raw[good]),
    }
    block, models = block_numbers(products), dict[str, np.ndarray]()
    for name, found in made.items():
        whole = np.zeros((len(products), found.shape[1]))
        whole[good] = found / np.linalg.norm(found, axis=1, keepdims=True)
        models[name] = relative_to_block(whole, block, BLOCK_PRIOR)
    return models


def differences(
    models: dict[str, np.ndarray],
    annotations: Annotations,
    metrics: list[str],
    size: int,
    seed: int,
) -> dict[tuple[str, str], tuple[float, float]]:
    """Compares each pair of models on a test set.

    Returns:
        (pair of models, metric) → the difference, and its spread over the resamples.
    """
    random = np.random.default_rng((size, seed))
    places, drawn = test_set(annotations, size, random)
    resamples = Resamples(drawn, RESAMPLES, seed)
    measured = {name: Evaluation(found[places], resamples) for name, found in models.items()}
    found = {}
    for pair, (one, other) in PAIRS.items():
        for metric in metrics:
            draws = measured[one].draws(metric, 0.0) - measured[other].draws(metric, 0.0)
            found[pair, metric] = float(draws[0]), spread(draws)
    return found


def test_set(
    annotations: Annotations, size: int, random: np.random.Generator
) -> tuple[np.ndarray, Annotations]:
    """Draws blocks with replacement until they hold `size` annotated products.

    A block that is drawn twice counts as two blocks, whose designs are different ones.

    Returns:
        int (products,), positions among the annotated products, and their annotations. Hard pairs
        are left out.
    """
    drawn, count, sizes = [], 0, np.bincount(annotations.block)
    while count < size:
        drawn.append(int(random.integers(len(sizes))))
        count += int(sizes[drawn[-1]])
    places, block, design, pairs = copies_of_blocks(annotations, annotations.block_pairs, drawn)
    none = np.zeros(0, int)
    return places, Annotations(
        indices=np.arange(count),
        design=design,
        block=block,
        hard=PairSet(none, none, none.astype(bool)),
        block_pairs=pairs,
        usable=0,
    )


def copies_of_blocks(
    truth: Annotations | CompleteBlocks, pairs: PairSet, drawn: Sequence[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, PairSet]:
    """Puts drawn blocks beside one another; a block that is drawn twice counts as two blocks.

    Args:
        truth: block and design of each product.
        pairs: of products of one block.
        drawn: numbers of blocks.

    Returns:
        The position of each product among those of `truth`, its block and its design, both from 0:
        int (products,) each; and the pairs.
    """
    chosen, parts, count = [], [], 0
    for one in drawn:
        members = np.flatnonzero(truth.block == one)
        here = truth.block[pairs.left] == one
        left, right = (np.searchsorted(members, ends[here]) for ends in (pairs.left, pairs.right))
        parts.append((left + count, right + count, pairs.label[here]))
        chosen.append(members)
        count += len(members)
    places = np.concatenate(chosen)
    block = np.repeat(np.arange(len(chosen)), [len(one) for one in chosen])
    design = np.unique(np.stack([block, truth.design[places]]), axis=1, return_inverse=True)[1]
    left, right, label = (np.concatenate(column) for column in zip(*parts, strict=True))
    return places, block, design, PairSet(left, right, label)


def summary(
    size: int,
    name: tuple[str, str],
    found: list[dict[tuple[str, str], tuple[float, float]]],
    policy: GatePolicy,
) -> Measured:
    """Summarises the test sets of a size.

    Returns:
        {"pair", "metric", "size", "difference": mean over the test sets, "deviation": of the
        difference over the test sets, "spread": mean of what the gate takes this for, "lucky": how
        often a gain is proven at 0.05 where there is none}.
    """
    values, spreads = np.array([one[name] for one in found]).T
    gainless = values - values.mean()
    return {
        "pair": name[0],
        "metric": name[1],
        "size": size,
        "difference": float(values.mean()),
        "deviation": float(values.std(ddof=1)),
        "spread": float(spreads.mean()),
        "lucky": float((gainless - norm.isf(policy.significance) * spreads > 0).mean()),
    }


def needed(measured: list[Measured], policy: GatePolicy) -> list[Measured]:
    """Computes how many annotated products each policy needs, by the largest test sets.

    Returns:
        For each metric, number of the comparison and distance: {"policy", "metric", "comparison",
        "distance": the gain to prove, or the margin within which a model as good must be proven,
        "products"}.
    """
    count, rows = len(policy.metrics), []
    for row in (one for one in measured if one["size"] == SIZES[-1]):
        margin = policy.policies.stay_fresh.margins[row["metric"]]
        prove = row["pair"] == CHANGED
        for comparison in COMPARISONS:
            level = spendable(policy.significance, comparison) / (count if prove else 1)
            # The bound lies below the difference by what the gate takes for its deviation.
            reach = norm.isf(level) * row["spread"] + norm.ppf(policy.power) * row["deviation"]
            for distance in GAINS if prove else (margin,):
                rows.append(
                    {
                        "policy": "prove-gain" if prove else "stay-fresh",
                        "metric": row["metric"],
                        "comparison": comparison,
                        "distance": distance,
                        "products": round(float(row["size"] * (reach / distance) ** 2), -1),
                    }
                )
    return rows


def power_table(result: Measured) -> str:
    """Returns the table of docs/promotion.md, in Markdown."""
    found = {
        (row["policy"], row["metric"], row["distance"], row["comparison"]): row["products"]
        for row in result["needed"]
    }
    lines = []
    for policy, metric, distance in dict.fromkeys(key[:3] for key in found):
        shows = (
            f"a gain of {distance:g}"
            if policy == "prove-gain"
            else f"as good, but for {distance:g}"
        )
        cells = [f"{found[policy, metric, distance, one]:,.0f}" for one in COMPARISONS]
        lines.append(f"| `{policy}` | {shows} in `{metric}` | {' | '.join(cells)} |")
    columns = ["policy", "proves", *(f"comparison {one}" for one in COMPARISONS)]
    return table(columns, lines)


if __name__ == "__main__":
    run_app(app)
