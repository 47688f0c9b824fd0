"""How often the gate is passed by luck: many retrains of models that are equal, against the same test pairs.

Each made-up test set has its designs, blocks and pairs. A model is a noisy look at its products:
all models share some noise (hard products are hard for all) and have as much of their own, so none
is better than another on products never seen, and whatever difference they show is luck. The gate
of mlflow/promotion.yaml decides on them one after the other; what it lets through becomes the
champion. The same is done without counting comparisons, and by the higher figure alone.
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
BLOCKS, DESIGNS, COLOURS = 25, 4, 2  # of a test set: designs of a block, products of a design
SIZE, NOISE, SHARED = (
    16,
    1.1,
    0.7,
)  # of an embedding: length, spread beside a design's own 1, share that all models have

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
Judge = Callable[[np.ndarray, np.ndarray, int], bool]


@app.command()
def main(
    sets: Annotated[int, typer.Option(help="Test sets.")] = 100,
    retrains: Annotated[int, typer.Option(help="Challengers of each, one after the other.")] = 200,
) -> None:
    """Simulates, prints a table and writes benchmarks/luck.json."""
    policy = load_policy(ROOT / POLICY).gate.model_copy(update={"floor": 0.0, "baselines": []})
    judges: dict[str, Judge] = {
        "the higher figure": lambda challenger, champion, _: bool(challenger[0] > champion[0]),
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
    lines = [
        f"| {name} | {one['any']:.0%} ({one['any_low']:.0%} to {one['any_high']:.0%}) | {one['mean']:.1f} |"
        for name, one in found.items()
    ]
    print(
        table(
            ["decided by", "test sets with a lucky promotion", f"lucky promotions in {retrains}"],
            lines,
        )
    )
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
    """The gate's word on two models' resamples."""
    evidence = Evidence(False, None, challenger, champion, {}, comparison)
    return decide(policy, evidence).passed


def lucky_promotions(models: np.ndarray, judge: Judge) -> int:
    """How many of the models replace the champion of their time; models: float (models, 1 + resamples), the first serves."""
    champion, promoted = models[0], 0
    for comparison, challenger in enumerate(models[1:], start=1):
        if judge(challenger, champion, comparison):
            champion, promoted = challenger, promoted + 1
    return promoted


def equal_models(count: int, resamples: int, seed: int) -> np.ndarray:
    """Block AP of equal models on one made-up test set, for paired resamples: float (count, 1 + resamples)."""
    random = np.random.default_rng(seed)
    annotations = made_up_annotations()
    drawn = Resamples(annotations, resamples, seed)
    look = random.normal(size=(int(annotations.design.max()) + 1, SIZE))[annotations.design]
    shared = random.normal(size=look.shape)
    found = []
    for _ in range(count):
        own = random.normal(size=look.shape)
        seen = look + NOISE * (np.sqrt(SHARED) * shared + np.sqrt(1 - SHARED) * own)
        seen /= np.linalg.norm(seen, axis=1, keepdims=True)
        found.append(Evaluation(seen, drawn).draws("block_ap", 0.0))
    return np.stack(found)


def made_up_annotations() -> Annotations:
    """Blocks of designs, each in some colours, all annotated."""
    places = [(b, d, c) for b in range(BLOCKS) for d in range(DESIGNS) for c in range(COLOURS)]
    rows = [
        {"product_id": f"{b}-{d}-{c}", "brand": b, "gender": "Men", "article_type": "Shirts"}
        for b, d, c in places
    ]
    products = pd.DataFrame(rows)
    ids = products["product_id"].to_numpy()
    return build_annotations(
        products, pd.DataFrame({"left": ids[::2], "right": ids[1::2], "color_variants": 1})
    )


def summary(counts: np.ndarray) -> dict[str, Any]:
    """Share of test sets with any promotion, its 95 % Wilson interval, and the mean number of promotions."""
    share, n, z = float((counts > 0).mean()), len(counts), 1.96
    middle, half = (
        share + z * z / (2 * n),
        z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)),
    )
    low, high = ((middle + sign * half) / (1 + z * z / n) for sign in (-1, 1))
    return {
        "any": share,
        "any_low": max(0.0, float(low)),
        "any_high": float(high),
        "mean": float(counts.mean()),
    }


if __name__ == "__main__":
    run_app(app)
