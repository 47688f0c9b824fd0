"""Replays annotation: what the first pairs teach a model, if they are suggested and if at random.

A training takes minutes, and a curve needs sixty. So the model is a stand-in: the frozen features
of the untrained encoder, whose components are weighed by a logistic regression on the pairs so far,
shrunk towards the plain cosine similarity. It shows what pairs are worth to a model that can only
weigh features. It does not show what they are worth to one that learns new features, nor what they
are worth for choosing thresholds or for metrics.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from ml.annotate.candidates import Grouped
from ml.annotate.known_answers import DIFFERENT, SAME, UNSURE, KnownAnswers
from ml.annotate.pair_scan import View
from ml.annotate.suggestion import suggest_train
from ml.core.progress import progress
from ml.data.annotations import build_annotations, pairs_within
from ml.data.blocks import block_numbers
from ml.evaluate.bootstrap import Resamples, interval
from ml.evaluate.complete_blocks import CompleteBlocks
from ml.evaluate.evaluation import Evaluation

COUNTS = (0, 50, 100, 200, 400, 800)  # pairs that are answered
SEEDS, RESAMPLES = 5, 1000
COMPONENTS = 512  # principal components that are weighed, of the largest variance
PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # C of the regression; dev chooses
COSINE = 30.0  # scale of the cosine: the regression hardly shrinks what is so large
METRICS = ("block_ap", "mean_ap")


@dataclass(frozen=True)
class Photos:
    """A grouped catalogue of real photos, with its annotated pairs.

    Attributes:
        products: of the newest version, with a readable picture.
        split: "train", "dev" or "test" of each.
        model, untrained: how the version's model and the untrained encoder see them.
        pairs: left, right, color_variants, confidence.
    """

    products: pd.DataFrame
    split: np.ndarray
    model: View
    untrained: View
    pairs: pd.DataFrame

    def annotated(self, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Returns the usable pairs of some products: two positions, and whether they are variants.

        Args:
            chosen: bool (products,).
        """
        place = pd.Series(np.flatnonzero(chosen), self.products["product_id"][chosen])
        pairs = self.pairs[self.pairs["confidence"] != "low"]
        pairs = pairs[pairs["left"].isin(place.index) & pairs["right"].isin(place.index)]
        left, right = (place[pairs[side]].to_numpy(int) for side in ("left", "right"))
        return left, right, pairs["color_variants"].eq("1").to_numpy()


class StandIn:
    """A weighing of the components of frozen features."""

    def __init__(self, features: np.ndarray) -> None:
        self.features, self.weight = features, np.ones(features.shape[1], np.float32)

    def embeddings(self) -> np.ndarray:
        """Returns the weighed features, each of length 1."""
        found = self.features * np.sqrt(self.weight)
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9)

    def fitted(self, left: np.ndarray, right: np.ndarray, same: np.ndarray, c: float) -> "StandIn":
        """Returns a weighing that is learnt from pairs; the plain one if they all say the same."""
        if len(np.unique(same)) < 2:
            return StandIn(self.features)
        product = self.features[left] * self.features[right]
        seen = np.column_stack([COSINE * product.sum(axis=1), product[:, -COMPONENTS:]])
        scale = float(np.sqrt(product.shape[1]))
        seen[:, 1:] *= scale
        found = LogisticRegression(C=c, max_iter=2000).fit(seen, same)
        cosine, extra = COSINE * found.coef_[0, 0], scale * found.coef_[0, 1:]
        learnt = StandIn(self.features)
        if cosine > 0:
            learnt.weight[-COMPONENTS:] = np.maximum(1 + extra / cosine, 0)
        return learnt


def replay(photos: Photos, complete: CompleteBlocks, features: np.ndarray) -> dict[str, Any]:
    """Measures both ways to choose pairs; prints and returns a row for each number of pairs.

    Args:
        features: float32 (products, components), by increasing variance, each of length 1.
    """
    measured = {name: _measure(photos, name) for name in ("dev", "test")}
    pool = _Pool(photos, complete)
    draws: dict[tuple[str, int], list[dict[str, np.ndarray]]] = {}
    ways: dict[str, Callable[..., np.ndarray]] = {
        "suggested": pool.suggested,
        "random": pool.random,
    }
    with progress("replay", len(ways) * SEEDS * len(COUNTS), "models") as advance:
        for way, choose in ways.items():
            for seed in range(SEEDS):
                chosen, model = np.zeros(0, int), StandIn(features)
                for count in COUNTS:
                    if count > len(chosen):
                        more = choose(chosen, model, count - len(chosen), seed)
                        chosen = np.concatenate([chosen, more])
                        model = _best(StandIn(features), pool, chosen, measured["dev"])
                    one = measured["test"](model)
                    draws.setdefault((way, count), []).append(
                        one | {"variants": pool.same[chosen].sum()}
                    )
                    advance()
    rows = [
        _row(way, count, draws[way, count], draws["random", count])
        for way in ways
        for count in COUNTS
    ]
    for row in rows:
        print(row, flush=True)
    return {
        "pool": len(pool.same),
        "variants": int(pool.same.sum()),
        "seeds": SEEDS,
        "rows": rows,
    }


def _row(
    way: str, count: int, found: list[dict[str, Any]], random: list[dict[str, Any]]
) -> dict[str, Any]:
    row: dict[str, Any] = {"way": way, "pairs": count}
    row["variants"] = float(np.mean([one["variants"] for one in found]))
    for name in METRICS:
        mean, other = (np.mean([one[name] for one in of], axis=0) for of in (found, random))
        row[name] = interval(mean)
        row[f"{name}_deviation"] = float(np.std([one[name][0] for one in found], ddof=1))
        row[f"{name}_gain"] = interval(mean - other)
    return row


def _measure(photos: Photos, split: str) -> Callable[[StandIn], dict[str, np.ndarray]]:
    """Returns what measures a stand-in on the annotated pairs of a split."""
    places = np.flatnonzero(photos.split == split)
    annotations = build_annotations(photos.products.iloc[places], photos.pairs)
    here = places[annotations.indices]
    resamples = Resamples(annotations, RESAMPLES if split == "test" else 1, 0)

    def measured(model: StandIn) -> dict[str, np.ndarray]:
        found = Evaluation(model.embeddings()[here], resamples)
        return {name: found.draws(name, 0.5) for name in METRICS}

    return measured


def _best(
    model: StandIn,
    pool: "_Pool",
    chosen: np.ndarray,
    dev: Callable[[StandIn], dict[str, np.ndarray]],
) -> StandIn:
    """Returns the weighing whose penalty is best on dev; the plain one may be."""
    ends = pool.left[chosen], pool.right[chosen], pool.same[chosen]
    models = [model, *(model.fitted(*ends, c) for c in PENALTIES)]
    return max(models, key=lambda one: float(dev(one)["block_ap"][0]))


class _Pool:
    """The pairs of train brands whose truth is known: annotated ones, and complete blocks."""

    def __init__(self, photos: Photos, complete: CompleteBlocks) -> None:
        self.photos = photos
        train = photos.split == "train"
        left, right, same = photos.annotated(train)
        pairs = complete.pairs
        ends = complete.indices[pairs.left], complete.indices[pairs.right]
        here = train[ends[0]]
        codes = np.concatenate([same, pairs.label[here]]).astype(int)
        truth = KnownAnswers(
            len(train),
            np.concatenate([left, ends[0][here]]),
            np.concatenate([right, ends[1][here]]),
            codes,
        )
        self.block = np.where(truth.answered, block_numbers(photos.products), -1)
        found = [
            (truth_of, one, other)
            for number in np.unique(self.block[self.block >= 0])
            for truth_of, one, other in [_within(truth, np.flatnonzero(self.block == number))]
        ]
        answer, one, other = (np.concatenate(part) for part in zip(*found, strict=True))
        known = (answer == SAME) | (answer == DIFFERENT)
        self.left, self.right, self.same = one[known], other[known], answer[known] == SAME
        self.nobody = one[~known], other[~known]
        products = photos.products
        self.grouped = Grouped(
            products["product_id"],
            self.block,
            products["group"].factorize()[0],
            products["band"].eq("publish").to_numpy(),
            np.zeros(len(products), bool),
        )
        keys = zip(self.left.tolist(), self.right.tolist(), strict=True)
        self.number = {frozenset(pair): place for place, pair in enumerate(keys)}
        self.place = pd.Series(np.arange(len(products)), products["product_id"])

    def random(self, chosen: np.ndarray, model: StandIn, count: int, seed: int) -> np.ndarray:
        """Draws pairs of the pool, each as likely as any other."""
        order = np.random.default_rng(seed).permutation(len(self.same))
        return order[~np.isin(order, chosen)][:count]

    def suggested(self, chosen: np.ndarray, model: StandIn, count: int, seed: int) -> np.ndarray:
        """Suggests pairs of the pool, as `suggest_train` does for the model so far."""
        left, right = self.left[chosen], self.right[chosen]
        known = KnownAnswers(
            len(self.block),
            np.concatenate([left, self.nobody[0]]),
            np.concatenate([right, self.nobody[1]]),
            np.concatenate([self.same[chosen], np.full(len(self.nobody[0]), UNSURE)]).astype(int),
        )
        vectors = model.embeddings()
        own = View(lambda members: vectors[members], self._threshold(vectors), self.seen)
        views = (own, self.photos.untrained) if len(chosen) else (own,)
        batch = suggest_train(self.grouped, views, known, count, seed)
        ends = (self.place[batch[side]].tolist() for side in ("left", "right"))
        return np.array([self.number[frozenset(pair)] for pair in zip(*ends, strict=True)], int)

    @property
    def seen(self) -> np.ndarray:
        return np.ones(len(self.block), bool)

    def _threshold(self, vectors: np.ndarray) -> float:
        """Returns the distance within which as large a share of pairs is as with the untrained."""
        plain = self.photos.untrained
        old, new = (
            1 - np.einsum("ij,ij->i", of[self.left], of[self.right])
            for of in (plain.relative(np.arange(len(vectors))), vectors)
        )
        return float(np.quantile(new, (old <= plain.threshold).mean()))


def _within(truth: KnownAnswers, members: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    one, other = pairs_within(np.zeros(len(members), int))
    return truth.of(members[one], members[other]), members[one], members[other]
