"""`python -m benchmarks.annotation` measures what suggested pairs and second looks are worth.

It needs a clone that has grouped the real photos (`variants group --source ../shared/data/myntra
--catalogue photos`), and changes nothing there but untrained features in the store. Three things
are measured, each with the truth for an annotator:

- *estimate*: precision and recall of the groups, estimated from batches of 200 pairs of the
  complete blocks, beside their true values;
- *doubts*: 5 % of the annotated pairs of the train and dev brands are flipped; how many are among
  the first 10 % that are looked at;
- *replay*: pairs against the quality of a model (`benchmarks.annotation_replay`).
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer

from benchmarks.annotation_page import write_page
from benchmarks.annotation_replay import Photos, replay
from benchmarks.checkout import ROOT, commit
from flows.annotate_catalogue import ReadCatalogue, read_catalogue, view_of_model
from flows.catalogue.untrained_features import untrained_features
from flows.local.project import Project
from ml.annotate.candidates import Grouped
from ml.annotate.estimate import estimate, strata_of
from ml.annotate.known_answers import CODES, UNSURE, KnownAnswers
from ml.annotate.label_noise import implied, label_doubts
from ml.annotate.pair_features import pair_features
from ml.annotate.pair_scan import View
from ml.annotate.random_strata import RANDOM
from ml.annotate.suggestion import suggest_test, suggest_train
from ml.core.command import run_app
from ml.core.files import write_json
from ml.core.progress import progress
from ml.data.blocks import block_numbers, relative_to_block
from ml.evaluate.complete_blocks import CompleteBlocks, build_complete_blocks
from ml.untrained.predictor import BLOCK_PRIOR
from ml.untrained.whitening import half_whitened

OUT = Path(__file__).with_suffix(".json")
BUDGETS, SEEDS = (200, 600), 200  # of the estimate
FLIPPED, LOOKED_AT, NOISE_SEEDS = 0.05, 0.1, 20
RESTS = ("pair_precision", "pair_recall", "published_pair_precision")

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    source: Annotated[Path, typer.Option(help="The shop, with pairs.csv and blocks.csv.")] = Path(
        "../shared/data/myntra"
    ),
    project: Annotated[Path, typer.Option(help="A clone that has grouped it.")] = ROOT,
    catalogue: Annotated[str, typer.Option(help="Its name there.")] = "photos",
    out: Annotated[Path, typer.Option(help="The JSON file of all measurements.")] = OUT,
) -> None:
    """Measures estimates, doubts and label efficiency; prints and writes them."""
    place = Project(project.resolve())
    found = read_catalogue(place, catalogue, print)
    with TemporaryDirectory() as folder:
        model = _in_memory(view_of_model(place, found, Path(folder)), found.products)
    untrained = _in_memory(found.untrained, found.products)
    tables = {
        name: pd.read_csv(source / f"{name}.csv", dtype=str)
        for name in ("pairs", "blocks", "blocks_unsure_pairs")
    }
    photos = Photos(found.products, found.split, model, untrained, tables["pairs"])
    complete = build_complete_blocks(
        found.products, tables["blocks"], tables["blocks_unsure_pairs"]
    )
    measured = {
        "commit": commit("benchmarks/annotation.json"),
        "catalogue": {"products": len(found.products), "version": found.version.number},
        "estimate": [measure_estimate(photos, complete, budget) for budget in BUDGETS],
        "fresh": measure_fresh(photos, complete),
        "doubts": measure_doubts(photos),
        "replay": {
            name: replay(photos, complete, features)
            for name, features in _features(place, found).items()
        },
    }
    write_json(out, measured)
    if out == OUT:
        write_page(measured)


def measure_estimate(photos: Photos, complete: CompleteBlocks, budget: int) -> dict[str, Any]:
    """Estimates precision and recall of the groups of the complete blocks from many batches."""
    grouped, views, truth = _complete(photos, complete)
    left, right = complete.pairs.left, complete.pairs.right
    together = grouped.group[left] == grouped.group[right]
    published = together & grouped.published[left]
    label = complete.pairs.label
    true = {
        "pair_precision": label[together].mean(),
        "pair_recall": together[label].mean(),
        "published_pair_precision": label[published].mean(),
    }
    nothing = KnownAnswers(len(grouped.ids), *(np.zeros(0, int) for _ in range(3)))
    index = pd.Index(grouped.ids)
    values: dict[str, list[float]] = {name: [] for name in RESTS}
    plain: dict[str, list[float]] = {name: [] for name in RESTS}
    held, width = dict.fromkeys(RESTS, 0), dict.fromkeys(RESTS, 0.0)
    with progress("estimate", SEEDS, "batches") as advance:
        for seed in range(SEEDS):
            batch = suggest_train(grouped, views, nothing, budget, seed)
            ends = [index.get_indexer(pd.Index(batch[side])) for side in ("left", "right")]
            codes = truth.of(*ends)
            words = np.array([*CODES])[np.argsort([*CODES.values()])]
            batch["answer"] = words[codes]
            drawn = batch["stratum"].str.startswith(RANDOM).to_numpy()
            at = grouped.group[ends[0]] == grouped.group[ends[1]]
            inside = np.where(at, np.where(grouped.published[ends[0]], 0, 1), 2)
            strata = strata_of(batch[drawn], inside[drawn], batch.attrs["frame"]["strata"])
            found: dict[str, Any] = estimate(strata, np.zeros((3, 3), int), seed)
            same, decided = codes == CODES["same"], codes != UNSURE
            plain["pair_precision"].append(float(same[decided & at].mean()))
            plain["pair_recall"].append(float(at[decided & same].mean()))
            plain["published_pair_precision"].append(float(same[decided & (inside == 0)].mean()))
            for name in RESTS:
                one = found[name]
                values[name].append(one["value"])
                held[name] += one["low"] <= true[name] <= one["high"]
                width[name] += (one["high"] - one["low"]) / SEEDS
            advance()
    rows = [
        {
            "metric": name,
            "true": float(true[name]),
            "mean": float(np.mean(values[name])),
            "deviation": float(np.std(values[name], ddof=1)),
            "coverage": float(held[name] / SEEDS),
            "width": width[name],
            "all_suggested": float(np.mean(plain[name])),
        }
        for name in RESTS
    ]
    for row in rows:
        print(row, flush=True)
    return complete.facts() | {"budget": budget, "seeds": SEEDS, "rows": rows}


def measure_fresh(photos: Photos, complete: CompleteBlocks) -> dict[str, float]:
    """Counts the variants among fresh test pairs, and among pairs drawn without strata."""
    grouped, views, truth = _complete(photos, complete)
    nothing = KnownAnswers(len(grouped.ids), *(np.zeros(0, int) for _ in range(3)))
    index, shares = pd.Index(grouped.ids), []
    for seed in range(20):
        batch = suggest_test(grouped, views[1], nothing, BUDGETS[0], seed)
        ends = [index.get_indexer(pd.Index(batch[side])) for side in ("left", "right")]
        shares.append(float((truth.of(*ends) == CODES["same"]).mean()))
    found = {"strata": float(np.mean(shares)), "plain": float(complete.pairs.label.mean())}
    print(found, flush=True)
    return found


def measure_doubts(photos: Photos) -> dict[str, Any]:
    """Flips annotated pairs and counts how many are among the first that are looked at."""
    left, right, same = photos.annotated(np.isin(photos.split, ["train", "dev"]))
    block, brand = block_numbers(photos.products), photos.products["brand"].to_numpy()[left]
    seen = {
        name: pair_features(view, block, left, right)
        for name, view in (("untrained", photos.untrained), ("trained", photos.model))
    }
    cosine, threshold = seen["untrained"][:, 0], 1 - photos.untrained.threshold
    first = round(LOOKED_AT * len(same))
    found: dict[str, list[float]] = {}
    for seed in range(NOISE_SEEDS):
        random = np.random.default_rng(seed)
        flipped = random.permutation(len(same)) < round(FLIPPED * len(same))
        said = same ^ flipped
        chains = implied(left, right, said)
        ranks = {
            "random order": random.random(len(said)),
            "distance from the threshold": np.where(said, cosine - threshold, threshold - cosine),
            "contradicted by other pairs": -np.where(said, chains[:, 1], chains[:, 0]),
            "label_doubts": label_doubts(seen["untrained"], left, right, said, brand).quality,
            "label_doubts, without other pairs": label_doubts(
                seen["untrained"],
                np.arange(0, 2 * len(said), 2),
                np.arange(1, 2 * len(said), 2),
                said,
                brand,
            ).quality,
            "label_doubts, features that trained on the labels": label_doubts(
                seen["trained"], left, right, said, brand
            ).quality,
        }
        for name, rank in ranks.items():
            order = np.lexsort((random.random(len(said)), rank))
            found.setdefault(name, []).append(float(flipped[order[:first]].sum() / flipped.sum()))
    rows = [
        {
            "by": name,
            "found": float(np.mean(shares)),
            "deviation": float(np.std(shares, ddof=1)),
            "least": min(shares),
        }
        for name, shares in found.items()
    ]
    for row in rows:
        print(row, flush=True)
    return {"pairs": len(same), "flipped": FLIPPED, "looked_at": LOOKED_AT,
            "seeds": NOISE_SEEDS, "rows": rows}  # fmt: skip


def _features(place: Project, found: ReadCatalogue) -> dict[str, np.ndarray]:
    """Returns features of the untrained encoder, by principal components, relative to the block."""
    features = untrained_features(place, found.store, found.version, found.products, print)[0]
    moved = features - features.mean(axis=0)
    axes = np.linalg.eigh((moved.T @ moved).astype(np.float64))[1]
    block = block_numbers(found.products)
    plain = (moved @ axes).astype(np.float32)
    plain /= np.maximum(np.linalg.norm(plain, axis=1, keepdims=True), 1e-9)
    return {
        "plain": relative_to_block(plain, block, BLOCK_PRIOR),
        "half whitened": relative_to_block(half_whitened(features), block, BLOCK_PRIOR),
    }


def _complete(
    photos: Photos, complete: CompleteBlocks
) -> tuple[Grouped, tuple[View, View], KnownAnswers]:
    """Returns the complete blocks as a catalogue of their own, and the truth about its pairs."""
    chosen, products = complete.indices, photos.products.iloc[complete.indices]
    grouped = Grouped(
        products["product_id"].reset_index(drop=True),
        complete.block,
        products["group"].factorize()[0],
        products["band"].eq("publish").to_numpy(),
        np.zeros(len(products), bool),
    )
    views = [
        View(_part(one, chosen), one.threshold, one.seen[chosen])
        for one in (photos.model, photos.untrained)
    ]
    pairs, unsure = complete.pairs, complete.unsure
    truth = KnownAnswers(
        len(products),
        np.concatenate([pairs.left, unsure[:, 0]]),
        np.concatenate([pairs.right, unsure[:, 1]]),
        np.concatenate([pairs.label.astype(int), np.full(len(unsure), UNSURE)]),
    )
    return grouped, (views[0], views[1]), truth


def _part(view: View, chosen: np.ndarray) -> Any:
    return lambda members: view.relative(chosen[members])


def _in_memory(view: View, products: pd.DataFrame) -> View:
    """Reads all embeddings of a view once."""
    block, kept = block_numbers(products), None
    for number in range(block.max() + 1):
        members = np.flatnonzero(block == number)
        relative = view.relative(members)
        kept = np.zeros((len(block), relative.shape[1]), np.float32) if kept is None else kept
        kept[members] = relative
    vectors = np.zeros((0, 0), np.float32) if kept is None else kept
    return View(lambda members: vectors[members], view.threshold, view.seen)


if __name__ == "__main__":
    run_app(app)
