"""`python -m benchmarks.luck` measures how often the gate's policies are passed by luck.

Many models are compared on the same test pairs, one after another; a model that passes becomes the
champion. Each made-up test set has designs, blocks and pairs of its own. The embeddings of a model
are the true ones with noise. A part of the noise is the same for all models, because some products
are hard for every model; the rest is the model's own.

- *Equal* models have as much noise, so that every difference between them is luck. None should pass
  prove-gain. Stay-fresh lets them pass on purpose; how often it does is what it is worth.
- *Worse* models have so much more noise than the first champion that on many products one of the
  metrics is lower by its margin. None should pass stay-fresh.

Beside the gate two other judges decide: the gate that does not count comparisons, and one that
promotes each model with a higher value than the champion's.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from scipy.optimize import brentq
from scipy.stats import binomtest

from benchmarks.checkout import ROOT, commit
from benchmarks.markdown import table, write_between
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
PAGE = ROOT / "docs/promotion.md"
START = "<!-- written by benchmarks.luck: -->"
BLOCKS, DESIGNS, COLOURS = 40, 4, 2  # of a test set, of a block, of a design
MANY = 1000  # blocks by which it is known how much worse a model is
SIZE = 16  # length of an embedding
NOISE = 0.85  # standard deviation of the noise, where that of the designs is 1
# Share of the noise's variance that all models have in common. With it two models differ as much as
# two trainings of one recipe on real photos (benchmarks/power.json, "alike").
SHARED = 0.95
RESAMPLES = 500  # enough for a spread; the gate's bound needs no more of them
POLICIES = ("prove-gain", "stay-fresh")
EQUAL, WORSE = "equal", "worse by a margin"
HIGHER, UNCOUNTED, GATE = "the higher value", "the gate, comparisons not counted", "the gate"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
Draws = dict[str, np.ndarray]  # metric → float (1 + resamples,), the sample itself first
Judge = Callable[[Draws, Draws, int], bool]


@app.command()
def main(
    sets: Annotated[int, typer.Option(help="Test sets.")] = 100,
    retrains: Annotated[int, typer.Option(help="Challengers of each, one after the other.")] = 36,
) -> None:
    """Runs the simulation, prints a table and writes benchmarks/luck.json."""
    gate = load_policy(ROOT / POLICY).gate.model_copy(update={"floor": 0.0, "baselines": []})
    policies = {name: gate.model_copy(update={"policy": name}) for name in POLICIES}
    noise = {EQUAL: NOISE, WORSE: worse_noise(gate)}
    promoted: dict[tuple[str, str, str], list[list[bool]]] = {key: [] for key in cases()}
    with progress("test sets", sets * len(noise), "test sets") as advance:
        for seed in range(sets):
            for kind, challengers in noise.items():
                drawn = models(retrains, challengers, gate, seed)
                for policy, challenger, decided in cases():
                    if challenger == kind:
                        judge = judge_of(decided, policies[policy])
                        promoted[policy, kind, decided].append(promotions(drawn, judge))
                advance(1)
    rows = [
        {"policy": policy, "challengers": kind, "decided_by": decided} | summary(np.array(found))
        for (policy, kind, decided), found in promoted.items()
    ]
    facts: dict[str, Any] = {"sets": sets, "retrains": retrains, "noise": noise, "rows": rows}
    write_json(OUT, {"commit": commit(), "products": BLOCKS * DESIGNS * COLOURS, **facts})
    write_between(PAGE, START, luck_table(facts))
    print(luck_table(facts))


def cases() -> list[tuple[str, str, str]]:
    """Returns what is simulated: name of the policy, kind of challengers, who decides."""
    return [
        ("prove-gain", EQUAL, HIGHER),
        ("prove-gain", EQUAL, UNCOUNTED),
        ("prove-gain", EQUAL, GATE),
        ("stay-fresh", WORSE, HIGHER),
        ("stay-fresh", WORSE, UNCOUNTED),
        ("stay-fresh", WORSE, GATE),
        ("stay-fresh", EQUAL, GATE),
    ]


def judge_of(decided: str, policy: GatePolicy) -> Judge:
    """Returns who decides about a challenger, a champion and the number of their comparison."""
    first = policy.metrics[0]
    if decided == HIGHER:
        return lambda challenger, champion, _: bool(challenger[first][0] > champion[first][0])

    def passes(challenger: Draws, champion: Draws, comparison: int) -> bool:
        counted = comparison if decided == GATE else 1
        return decide(
            policy, Evidence(False, None, challenger, champion, {}, comparison=counted)
        ).passed

    return passes


def promotions(drawn: list[Draws], judge: Judge) -> list[bool]:
    """Returns whether each challenger replaces the current champion; the first one is drawn[0]."""
    champion, promoted = drawn[0], []
    for comparison, challenger in enumerate(drawn[1:], start=1):
        promoted.append(judge(challenger, champion, comparison))
        champion = challenger if promoted[-1] else champion
    return promoted


def models(challengers: int, noise: float, policy: GatePolicy, seed: int) -> list[Draws]:
    """Measures a champion and its challengers on one made-up test set, for paired resamples.

    Args:
        noise: of the challengers; that of the champion is `NOISE`.

    Returns:
        For each model the name of each metric → float (1 + resamples,), the champion first.
    """
    random, annotations = np.random.default_rng(seed), made_up_annotations(BLOCKS)
    drawn = Resamples(annotations, RESAMPLES, seed)
    true, shared = true_and_shared(annotations, random)
    found = []
    for own in [NOISE, *[noise] * challengers]:
        one = Evaluation(embedded(true, shared, random, own), drawn)
        found.append({metric: one.draws(metric, 0.0) for metric in policy.metrics})
    return found


def worse_noise(policy: GatePolicy) -> float:
    """Finds the noise with which one metric is lower by its margin and no other by more."""
    margins = policy.policies.stay_fresh.margins

    def above_margin(noise: float) -> float:
        lower = lower_by(noise, policy.metrics, 0)
        return max(lower[name] - margins[name] for name in policy.metrics)

    return float(brentq(above_margin, NOISE, 2 * NOISE, xtol=1e-3))


def lower_by(noise: float, metrics: list[str], seed: int) -> dict[str, float]:
    """Measures on many products how much lower each metric is with a noise than with `NOISE`."""
    random, annotations = np.random.default_rng(seed), made_up_annotations(MANY)
    drawn = Resamples(annotations, 1, 0)
    true, shared = true_and_shared(annotations, random)
    one, other = (Evaluation(embedded(true, shared, random, own), drawn) for own in (NOISE, noise))
    return {name: float((one.draws(name, 0.0) - other.draws(name, 0.0))[0]) for name in metrics}


def true_and_shared(
    annotations: Annotations, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draws the true embeddings of products and the noise that all models share."""
    designs = int(annotations.design.max()) + 1
    true = random.normal(size=(designs, SIZE))[annotations.design]
    return true, random.normal(size=true.shape)


def embedded(
    true: np.ndarray, shared: np.ndarray, random: np.random.Generator, noise: float
) -> np.ndarray:
    """Draws the embeddings of a model: float (products, SIZE), each of length 1."""
    own = random.normal(size=true.shape)
    embeddings = true + noise * (np.sqrt(SHARED) * shared + np.sqrt(1 - SHARED) * own)
    return np.asarray(embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True))


def made_up_annotations(blocks: int) -> Annotations:
    """Makes annotations of blocks of `DESIGNS` designs in `COLOURS` colours."""
    places = [(b, d, c) for b in range(blocks) for d in range(DESIGNS) for c in range(COLOURS)]
    ids = [f"{block}-{design}-{colour}" for block, design, colour in places]
    brands = [block for block, _, _ in places]
    products = pd.DataFrame({"product_id": ids, "brand": brands})
    products = products.assign(gender="Men", article_type="Shirts")
    pairs = pd.DataFrame({"left": ids[::2], "right": ids[1::2], "color_variants": 1})
    return build_annotations(products, pairs)


def summary(promoted: np.ndarray) -> dict[str, Any]:
    """Summarises the promotions of all test sets.

    Args:
        promoted: bool (test sets, challengers).

    Returns:
        {"any": share of test sets with a promotion, "any_low", "any_high": its 95 % Wilson
        interval, "mean": mean number of promotions, "first", "year": the share of test sets whose
        first challenger, and of the first twelve challengers those that, are promoted}.
    """
    count, total = int(promoted.any(axis=1).sum()), len(promoted)
    low, high = binomtest(count, total).proportion_ci(method="wilson")
    return {
        "any": count / total,
        "any_low": float(low),
        "any_high": float(high),
        "mean": float(promoted.sum(axis=1).mean()),
        "first": float(promoted[:, 0].mean()),
        "year": float(promoted[:, :12].mean()),
    }


def luck_table(result: dict[str, Any]) -> str:
    """Returns the table of docs/promotion.md, in Markdown."""
    lines = [
        f"| `{row['policy']}` | {row['challengers']} | {row['decided_by']} "
        f"| {row['any']:.0%} ({row['any_low']:.0%} to {row['any_high']:.0%}) "
        f"| {row['mean']:.1f} | {row['first']:.0%} | {row['year']:.0%} |"
        for row in result["rows"]
    ]
    columns = ["policy", "challengers", "decided by", "test sets with a promotion"]
    columns += [f"promotions in {result['retrains']}", "of the first", "of the first twelve"]
    return table(columns, lines)


if __name__ == "__main__":
    run_app(app)
