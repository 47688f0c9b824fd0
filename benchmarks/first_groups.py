"""`python -m benchmarks.first_groups` measures first groups: those of the untrained encoder.

Thresholds are chosen on the train and dev brands together, since nothing is learnt from either, and
measured on the test brands. A shop of a size is simulated by a part of the brands, in whole blocks:
it is whitened and grouped alone, and the pairs of all parts are counted together. Two sets of pairs
count. "pairs" are the block pairs of annotated products; in "blocks" every product of a block is
assigned to its design (blocks.csv beside the shop's tables), so that variants are as rare as in a
real catalogue.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer

from benchmarks.checkout import commit
from benchmarks.markdown import interval_words, table
from ml.core.command import run_app
from ml.core.files import read_table, write_json
from ml.core.progress import progress
from ml.data.annotations import Annotations, build_annotations
from ml.data.blocks import block_numbers, relative_to_block
from ml.data.images import decode_product
from ml.evaluate.baselines import gray
from ml.evaluate.bootstrap import Resamples, interval
from ml.evaluate.metrics import average_precision
from ml.grouping.grouping import Grouping
from ml.prepare.crop import CropParams, crop_picture
from ml.serve.predictor import Embedded
from ml.snapshot.stage import import_shop
from ml.untrained.first_groups import FILE
from ml.untrained.predictor import BLOCK_PRIOR, CLUSTERING, CROP, untrained_predictor
from ml.untrained.whitening import half_whitened
from ml.validate.split import split_of

OUT = Path(__file__).with_suffix(".json")
WISH = 0.85  # least precision of pairs, on both sets, at a chosen threshold
THRESHOLDS = np.arange(2, 100, 2) / 100
CHOSEN_AT = 600  # products: for this size and for all train and dev brands a threshold is chosen
SIZES = (60, 300, 1000)  # products of simulated shops, beside the whole catalogue
DRAWS = 3  # divisions of the brands into shops of a size
RESAMPLES, SEED = 1000, 0
WRITTEN = ("benchmarks/first_groups.json", "ml/untrained/first_groups.json")

Embed = Callable[["Catalogue", np.ndarray], np.ndarray]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True)
class Catalogue:
    """The products of the shop whose picture is readable, and what contestants see of them.

    Attributes:
        products: product_id, brand, gender, article_type.
        block: int (products,), numbers of the blocks.
        test: bool (products,), whether the brand is of the test split.
        features: float32 (products, size), ImageNet features of luminance, each of length 1.
        pixels: float32 (products, 1024), see `ml.evaluate.baselines.gray`.
    """

    products: pd.DataFrame
    block: np.ndarray
    test: np.ndarray
    features: np.ndarray
    pixels: np.ndarray


@dataclass(frozen=True)
class PairsOf:
    """Pairs of a set that are judged, and their resamples.

    Attributes:
        left, right: int (pairs,), positions in the catalogue.
        label: bool (pairs,), true for variants.
        resamples: of the designs.
        annotations: whose block pairs these are.
    """

    left: np.ndarray
    right: np.ndarray
    label: np.ndarray
    resamples: Resamples
    annotations: Annotations


def _centered(catalogue: Catalogue, shop: np.ndarray) -> np.ndarray:
    features = catalogue.features[shop]
    moved = features - features.mean(axis=0)
    return moved / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-6)


def _relative(catalogue: Catalogue, shop: np.ndarray, embeddings: np.ndarray) -> np.ndarray:
    block = np.unique(catalogue.block[shop], return_inverse=True)[1]
    return relative_to_block(embeddings, block, BLOCK_PRIOR)


OWN = "untrained"
CONTESTANTS: dict[str, tuple[str, Embed]] = {  # name → words, and embeddings of a shop's products
    "gray": ("gray pixels", lambda catalogue, shop: catalogue.pixels[shop]),
    "imagenet_gray": (
        "ImageNet features of gray pictures",
        lambda catalogue, shop: catalogue.features[shop],
    ),
    "relative": (
        "the same, centered and relative to the block",
        lambda catalogue, shop: _relative(catalogue, shop, _centered(catalogue, shop)),
    ),
    OWN: (
        "the same, half whitened and relative to the block",
        lambda catalogue, shop: _relative(catalogue, shop, half_whitened(catalogue.features[shop])),
    ),
}


@app.command()
def main(
    source: Annotated[
        Path, typer.Option(help="Folder of the shop with annotated pairs and blocks.csv.")
    ] = Path("../shared/data/myntra"),
    out: Annotated[Path, typer.Option(help="The JSON file of all measurements.")] = OUT,
    shipped: Annotated[
        Path, typer.Option(help="The JSON file of thresholds and worth that grouping reads.")
    ] = FILE,
) -> None:
    """Chooses thresholds, measures every contestant; prints a table, writes two JSON files."""
    with TemporaryDirectory() as folder:
        catalogue, pairs = look_at(source, Path(folder))
    sets = {"pairs": pairs, "blocks": pairs_of_blocks(source)}
    choice = {
        name: judged(catalogue, ~catalogue.test, annotated) for name, annotated in sets.items()
    }
    test = {name: judged(catalogue, catalogue.test, annotated) for name, annotated in sets.items()}
    everything = np.arange(len(catalogue.block))
    sizes: list[int | None] = [*SIZES, None]  # None: the whole catalogue
    rows: list[dict[str, Any]] = []
    with progress("first groups", len(CONTESTANTS) * (2 + len(sizes)), "measurements") as advance:
        for name in CONTESTANTS:
            chosen = []
            for fitted, draws in ((CHOSEN_AT, DRAWS), (int((~catalogue.test).sum()), 1)):
                threshold = choose(catalogue, name, ~catalogue.test, fitted, draws, choice)
                chosen.append({"products": fitted, "threshold": threshold})
                advance()
            for size in sizes:
                parts = (
                    [[everything]]
                    if size is None
                    else [shops(catalogue, catalogue.test, size, seed) for seed in range(DRAWS)]
                )
                metrics = measure(catalogue, name, parts, chosen, test)
                rows.append(
                    {
                        "name": name,
                        "products": size or len(everything),
                        "thresholds": chosen,
                        **metrics,
                    }
                )
                advance()
            if name == OWN:
                thresholds = chosen
    facts = {
        name: {"pairs": len(one.label), "variants": int(one.label.sum())}
        for name, one in test.items()
    }
    settings = {"resamples": RESAMPLES, "seed": SEED, "draws": DRAWS, "wish": WISH}
    write_json(out, {"commit": commit(*WRITTEN), **settings, "test": facts, "rows": rows})
    whole = next(row for row in rows if (row["name"], row["products"]) == (OWN, len(everything)))
    worth = {name: whole["blocks"][name] for name in ("precision", "recall")}
    write_json(shipped, {"thresholds": thresholds, "worth": {"products": len(everything), **worth}})
    print(markdown(rows))
    print(f"written: {out} and {shipped}")


def look_at(source: Path, folder: Path) -> tuple[Catalogue, pd.DataFrame]:
    """Imports a shop and embeds its pictures; returns the catalogue and the annotated pairs.

    Args:
        folder: an empty folder for the imported shop.
    """
    import_shop(str(source), folder / "snapshot")
    products = read_table(folder / "snapshot/catalog.parquet")
    contents = [
        None if pd.isna(name) else (folder / "snapshot/images" / name).read_bytes()
        for name in products["sha256"]
    ]
    predictor = untrained_predictor()
    with progress("embed", len(products), "pictures") as advance:
        found: Embedded = predictor.embed(contents, products["article_type"], advance)
    good = found.readable
    how = CropParams.model_validate(CROP)
    pixels = [
        gray(crop_picture(decode_product(content), how, article_type=kind)[None])[0]
        for content, kind, fine in zip(contents, products["article_type"], good, strict=True)
        if fine
    ]
    products = products[good].reset_index(drop=True)
    test = (products["brand"].map(split_of) == "test").to_numpy()
    features = found.embeddings[good]
    catalogue = Catalogue(products, block_numbers(products), test, features, np.stack(pixels))
    return catalogue, read_table(folder / "snapshot/pairs.parquet")


def pairs_of_blocks(source: Path) -> pd.DataFrame:
    """Returns all pairs of the complete blocks as a table like pairs.csv; unsure ones are `low`."""
    design = pd.read_csv(source / "blocks.csv", dtype=str)
    unsure = pd.read_csv(source / "blocks_unsure_pairs.csv", dtype=str)
    low = {frozenset(pair) for pair in zip(unsure["left"], unsure["right"], strict=True)}
    both = design.merge(design, on="block")
    both = both[both["product_id_x"] < both["product_id_y"]]
    left, right = both["product_id_x"], both["product_id_y"]
    named = zip(left, right, strict=True)
    return pd.DataFrame(
        {
            "left": left,
            "right": right,
            "color_variants": (both["design_x"] == both["design_y"]).astype(int),
            "confidence": ["low" if frozenset(pair) in low else "high" for pair in named],
        }
    )


def judged(catalogue: Catalogue, chosen: np.ndarray, pairs: pd.DataFrame) -> PairsOf:
    """Returns the block pairs of the annotated products among the chosen ones.

    Args:
        chosen: bool (products,).
        pairs: left, right, color_variants and confidence.
    """
    places = np.flatnonzero(chosen)
    annotations = build_annotations(catalogue.products.iloc[places], pairs)
    places, block_pairs = places[annotations.indices], annotations.block_pairs
    return PairsOf(
        left=places[block_pairs.left],
        right=places[block_pairs.right],
        label=block_pairs.label,
        resamples=Resamples(annotations, RESAMPLES, SEED),
        annotations=annotations,
    )


def shops(catalogue: Catalogue, chosen: np.ndarray, size: int, seed: int) -> list[np.ndarray]:
    """Divides products into shops of about one size: brand after brand, in whole blocks.

    Args:
        chosen: bool (products,), which products are divided.
        size: a shop is full with so many products.
        seed: of the order of brands, and of blocks within a brand.

    Returns:
        Positions of each shop's products, increasing. What is left for the last shop joins it even
        if it is not full.
    """
    random = np.random.default_rng(seed)
    brand = pd.factorize(catalogue.products["brand"], sort=True)[0]
    parts: list[np.ndarray] = []
    found: list[np.ndarray] = []
    for one in random.permutation(np.unique(brand[chosen])):
        members = np.flatnonzero(chosen & (brand == one))
        for block in random.permutation(np.unique(catalogue.block[members])):
            parts.append(members[catalogue.block[members] == block])
            if sum(map(len, parts)) >= size:
                found.append(np.sort(np.concatenate(parts)))
                parts = []
    return [*found, np.sort(np.concatenate(parts))] if parts else found


def look(
    catalogue: Catalogue, name: str, shop: np.ndarray, sets: dict[str, PairsOf]
) -> tuple[np.ndarray, np.ndarray]:
    """Embeds a whole shop, and keeps the blocks in which pairs are judged.

    Args:
        name: of the contestant.
        shop: int (any,), positions of the shop's products.
        sets: the pairs that are judged.

    Returns:
        float32 (kept products, size), and the positions of these products.
    """
    asked = np.unique(np.concatenate([catalogue.block[pairs.left] for pairs in sets.values()]))
    kept = np.isin(catalogue.block[shop], asked)
    return CONTESTANTS[name][1](catalogue, shop)[kept], shop[kept]


def choose(
    catalogue: Catalogue,
    name: str,
    chosen: np.ndarray,
    size: int,
    draws: int,
    sets: dict[str, PairsOf],
) -> float:
    """Returns the largest threshold at which both sets of pairs have the precision `WISH`.

    It is 0, at which next to nothing is grouped, if there is none.

    Args:
        name: of the contestant.
        chosen: bool (products,), the products that choose.
        size: products of a shop.
        draws: number of divisions into shops.
        sets: pairs of these products.
    """
    counts = {one: np.zeros((2, len(THRESHOLDS))) for one in sets}  # right pairs, and all
    for seed in range(draws):
        groups = np.zeros((len(THRESHOLDS), len(chosen)), int)
        for number, shop in enumerate(shops(catalogue, chosen, size, seed)):
            embeddings, seen = look(catalogue, name, shop, sets)
            grouping = Grouping(embeddings, catalogue.block[seen], CLUSTERING)
            for place, threshold in enumerate(THRESHOLDS):
                groups[place, seen] = grouping.cut(threshold) + number * len(chosen)
        for one, pairs in sets.items():
            same = groups[:, pairs.left] == groups[:, pairs.right]
            counts[one] += (same & pairs.label).sum(axis=1), same.sum(axis=1)
    fine = np.all([right >= WISH * found for right, found in counts.values()], axis=0)
    return float(THRESHOLDS[fine].max(initial=0))


def measure(
    catalogue: Catalogue,
    name: str,
    divisions: list[list[np.ndarray]],
    chosen: list[dict[str, Any]],
    sets: dict[str, PairsOf],
) -> dict[str, Any]:
    """Measures a contestant; metrics are means over the divisions into shops.

    Args:
        name: of the contestant.
        divisions: shops as of `shops`, in each of some divisions.
        chosen: a threshold for each of some sizes.
        sets: the pairs that are judged.

    Returns:
        For each set {"block_ap", "precision", "recall"}, each with its interval. Precision is the
        share of variants among the pairs that are grouped together, recall the share of variants
        that are.
    """
    sizes, thresholds = zip(*((one["products"], one["threshold"]) for one in chosen), strict=True)
    draws: dict[str, dict[str, list[np.ndarray]]] = {one: {} for one in sets}
    for division in divisions:
        similarity = {one: np.zeros(len(pairs.label)) for one, pairs in sets.items()}
        group = np.full(len(catalogue.block), -1)
        for number, shop in enumerate(division):
            embeddings, seen = look(catalogue, name, shop, sets)
            threshold = float(np.interp(np.log(len(shop)), np.log(sizes), thresholds))
            grouping = Grouping(embeddings, catalogue.block[seen], CLUSTERING)
            group[seen] = grouping.cut(threshold) + number * len(group)
            place = np.full(len(group), -1)
            place[seen] = np.arange(len(seen))
            for one, pairs in sets.items():
                here = place[pairs.left] >= 0
                ends = place[pairs.left[here]], place[pairs.right[here]]
                similarity[one][here] = (embeddings[ends[0]] * embeddings[ends[1]]).sum(axis=1)
        for one, pairs in sets.items():
            for metric, values in drawn(pairs, similarity[one], group).items():
                draws[one].setdefault(metric, []).append(values)
    return {
        one: {metric: interval(_mean(values)) for metric, values in found.items()}
        for one, found in draws.items()
    }


def _mean(draws: list[np.ndarray]) -> np.ndarray:
    """Averages draws over divisions: float (1 + resamples,), without those that are undefined."""
    defined = ~np.isnan(draws)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.nansum(draws, axis=0) / defined.sum(axis=0))


def drawn(pairs: PairsOf, similarity: np.ndarray, group: np.ndarray) -> dict[str, np.ndarray]:
    """Computes the metrics of `measure` for each resample: name → float (1 + resamples,).

    Args:
        similarity: float (pairs,).
        group: int (products of the catalogue,).
    """
    same = group[pairs.left] == group[pairs.right]
    right = same & pairs.label
    of = pairs.annotations.block_pairs

    def share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
        def metric(weights: np.ndarray) -> np.ndarray:
            with np.errstate(invalid="ignore"):
                return np.asarray((weights @ part) / (weights @ whole))

        return pairs.resamples.over_pairs(metric, of)

    return {
        "block_ap": pairs.resamples.over_pairs(
            lambda weights: average_precision(pairs.label, similarity, weights), of
        ),
        "precision": share(right, same),
        "recall": share(right, pairs.label),
    }


def markdown(rows: list[dict[str, Any]]) -> str:
    """Renders the rows in Markdown."""
    lines = []
    for row in rows:
        metrics = [
            interval_words(row[one][metric])
            for one in ("pairs", "blocks")
            for metric in ("block_ap", "precision", "recall")
        ]
        lines.append(
            f"| {CONTESTANTS[row['name']][0]} | {row['products']:,} | {' | '.join(metrics)} |"
        )
    columns = [
        *("embedding", "products", "block AP", "precision", "recall"),
        *("block AP, whole blocks", "precision, whole blocks", "recall, whole blocks"),
    ]
    return table(columns, lines)


if __name__ == "__main__":
    run_app(app)
