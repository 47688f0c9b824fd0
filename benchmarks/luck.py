"""`python -m benchmarks.luck` measures how often equal models pass the gate by luck.

Many equal models are compared on the same test pairs, one after another. Each made-up test set has
designs, blocks and pairs of its own. The embeddings of a model are the true ones with noise. A part
of the noise is the same for all models, because some products are hard for every model; the rest is
the model's own. So no model is better than another on new products, and every difference between
them is luck. The gate of mlflow/promotion.yaml decides about each model; a model that passes
becomes the champion. Two other judges decide beside it: the gate that does not count comparisons,
and one that promotes each model with a higher value than the champion's.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer

from benchmarks.checkout import ROOT, commit
from benchmarks.markdown import table
from flows.registry.versions import POLICY
from ml.core.command import run_app
from ml.core.files import write_json
from ml.core.progress import progress
from ml.data.annotations import Annotations, build_annotations
from ml.evaluate.bootstrap import Resamples
from ml.evaluate.evaluation import Evaluation
from ml.promote.evidence import Evidence
from ml.promote.gate import decide
from ml.promote.policy import GatePolicy, load_policy

OUT = Path(__file__).with_name("luck.json")
BLOCKS, DESIGNS, COLOURS = 25, 4, 2  # of a test set, of a block, of a design
SIZE = 16  # length of an embedding
NOISE = 1.1  # standard deviation of the noise, where that of the designs is 1
SHARED = 0.7  # share of the noise's variance that all models have in common

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
Judge = Callable[[np.ndarray, np.ndarray, int], bool]


@app.command()
def main(
    sets: Annotated[int, typer.Option(help="Test sets.")] = 100,
    retrains: Annotated[int, typer.Option(help="Challengers of each, one after the other.")] = 200,
) -> None:
    """Runs the simulation, prints a table and writes benchmarks/luck.json."""
    policy = load_policy(ROOT / POLICY).gate.model_copy(update={"floor": 0.0, "baselines": []})
    judges: dict[str, Judge] = {
        "the higher value": lambda challenger, champion, _: bool(challenger[0] > champion[0]),
        "the gate, comparisons not counted": lambda challenger, champion, _: passes(
            policy, challenger, champion, 1
        ),
        "the gate": lambda challenger, champion, comparison: passes(
            policy, challenger, champion, comparison
        ),
    }
    promotions: dict[str, list[int]] = {name: [] for name in judges}
    with progress("test sets", sets, "test sets") as advance:
        for seed in range(sets):
            models = equal_models(retrains + 1, policy.resamples, seed)
            for name, judge in judges.items():
                promotions[name].append(lucky_promotions(models, judge))
            advance(1)
    found = {name: summary(np.array(counts)) for name, counts in promotions.items()}
    lines = []
    for name, one in found.items():
        share = f"{one['any']:.0%} ({one['any_low']:.0%} to {one['any_high']:.0%})"
        lines.append(f"| {name} | {share} | {one['mean']:.1f} |")
    promoted = f"lucky promotions in {retrains}"
    print(table(["decided by", "test sets with a lucky promotion", promoted], lines))
    chosen = {
        "sets": sets,
        "retrains": retrains,
        "significance": policy.significance,
        "margin": policy.margin,
    }
    write_json(OUT, {"commit": commit(), **chosen, "decided_by": found})


def passes(
    policy: GatePolicy, challenger: np.ndarray, champion: np.ndarray, comparison: int
) -> bool:
    """Returns whether the gate passes a challenger.

    Args:
        challenger, champion: float (1 + resamples,), paired, the sample itself first.
        comparison: 1-based index of the comparison on these test pairs.
    """
    evidence = Evidence(False, None, challenger, champion, {}, comparison)
    return decide(policy, evidence).passed


def lucky_promotions(models: np.ndarray, judge: Judge) -> int:
    """Counts the models that replace the current champion.

    Args:
        models: float (models, 1 + resamples), the first one is the first champion.
    """
    champion, promoted = models[0], 0
    for comparison, challenger in enumerate(models[1:], start=1):
        if judge(challenger, champion, comparison):
            champion, promoted = challenger, promoted + 1
    return promoted


def equal_models(count: int, resamples: int, seed: int) -> np.ndarray:
    """Computes block AP of equal models on one made-up test set, for paired resamples.

    Returns:
        float (count, 1 + resamples), the sample itself first.
    """
    random = np.random.default_rng(seed)
    annotations = made_up_annotations()
    drawn = Resamples(annotations, resamples, seed)
    true = random.normal(size=(int(annotations.design.max()) + 1, SIZE))[annotations.design]
    shared = random.normal(size=true.shape)
    found = []
    for _ in range(count):
        own = random.normal(size=true.shape)
        embeddings = true + NOISE * (np.sqrt(SHARED) * shared + np.sqrt(1 - SHARED) * own)
        embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
        found.append(Evaluation(embeddings, drawn).draws("block_ap", 0.0))
    return np.stack(found)


def made_up_annotations() -> Annotations:
    """Makes annotations of `BLOCKS` blocks of `DESIGNS` designs in `COLOURS` colours."""
    places = [(b, d, c) for b in range(BLOCKS) for d in range(DESIGNS) for c in range(COLOURS)]
    ids = [f"{block}-{design}-{colour}" for block, design, colour in places]
    brands = [block for block, _, _ in places]
    products = pd.DataFrame({"product_id": ids, "brand": brands})
    products = products.assign(gender="Men", article_type="Shirts")
    pairs = pd.DataFrame({"left": ids[::2], "right": ids[1::2], "color_variants": 1})
    return build_annotations(products, pairs)


def summary(counts: np.ndarray) -> dict[str, Any]:
    """Summarises the numbers of promotions of all test sets.

    Args:
        counts: int (test sets,).

    Returns:
        {"any": share of test sets with a promotion, "any_low", "any_high": its 95 % Wilson
        interval, "mean": mean number of promotions}.
    """
    share, n, z = float((counts > 0).mean()), len(counts), 1.96
    middle = share + z * z / (2 * n)
    half = z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low, high = ((middle + sign * half) / (1 + z * z / n) for sign in (-1, 1))
    return {
        "any": share,
        "any_low": max(0.0, float(low)),
        "any_high": float(high),
        "mean": float(counts.mean()),
    }


if __name__ == "__main__":
    run_app(app)
