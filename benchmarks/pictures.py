"""Draws pictures of the results: training curves, a map of the embeddings, mistakes, and slices.

The curves hold no photo and are kept in docs/images/. The other pictures show products. Those with
real photos stay in .variants/results/pictures/, since this project may not publish these photos;
those of a generated shop may be published.
"""

from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from PIL import Image
from sklearn.manifold import TSNE

from benchmarks.similarity_maps import relevance
from ml.core.files import replacing
from ml.data.annotations import build_annotations
from ml.data.blocks import block_numbers, relative_to_block
from ml.evaluate.bootstrap import Resamples
from ml.evaluate.error_analysis import analyse_errors
from ml.evaluate.evaluation import Evaluation
from ml.evaluate.params import EvaluateParams
from ml.model.embedding import embed_pictures
from ml.model.encoder import Encoder, EncoderParams, load_encoder
from ml.pages.contact_sheet import draw_sheet

matplotlib.use("Agg")
THUMBNAIL, MAP = 48, 1400  # sides in pixels: of a product on the map, of the map
PAIRS = 6  # pairs of variants whose slices are drawn


def draw_curves(rows: list[dict[str, Any]], path: Path) -> None:
    """Draws block AP on dev against minutes of training, a curve for each row.

    Args:
        rows: finished rows of training methods, see `benchmarks.results.compute`; rows without an
            epoch are left out.
        path: the PNG file.
    """
    figure, axes = plt.subplots(figsize=(9, 5))
    rows = [row for row in rows if row["epochs"]]
    methods = sorted({row["method"] for row in rows})
    for row in sorted(rows, key=lambda row: str(row["name"])):
        epochs = np.array([point["epoch"] for point in row["history"]])
        minutes = epochs * row["train_seconds"] / 60 / row["epochs"]
        seed = row["params"].get("train.seed", 0)
        colour, style = f"C{methods.index(row['method'])}", ["-", "--", ":"][seed % 3]
        label = row["method"] if seed == 0 else None
        axes.plot(
            minutes,
            [point["dev_block_ap"] for point in row["history"]],
            style,
            color=colour,
            marker="o",
            label=label,
        )
    axes.set(xlabel="minutes of training", ylabel="block AP, dev brands, not relative to the block")
    axes.legend(frameon=False)
    axes.grid(alpha=0.3)
    with replacing(path) as beside:
        figure.savefig(beside, format="png", dpi=110, metadata={"Software": None})
    plt.close(figure)


def draw_products(
    model: Path,
    products: pd.DataFrame,
    pairs: pd.DataFrame,
    pictures: np.ndarray,
    params: EvaluateParams,
    out: Path,
) -> None:
    """Draws map.jpg, mistakes-before.png, mistakes-after.png and slices.jpg of a trained model.

    Args:
        model: folder of the stage train.
        products, pairs: the products to show, and their annotated pairs.
        pictures: uint8 (products, side, side, 3), the crops of these products.
        params: of the evaluation.
        out: folder of the pictures.
    """
    encoder, facts = load_encoder(model)
    before = Encoder(EncoderParams(**facts["encoder"])).to(memory_format=torch.channels_last)
    annotations, block = build_annotations(products, pairs), block_numbers(products)
    resamples = Resamples(annotations, params.resamples, params.seed)
    for name, one in (("before", before), ("after", encoder)):
        embeddings = relative_to_block(embed_pictures(one, pictures), block, params.block_prior)
        evaluation = Evaluation(embeddings[annotations.indices], resamples, params.grouping)
        errors = analyse_errors(
            products,
            embeddings,
            evaluation.best_threshold,
            params.grouping,
            annotations,
            evaluation.block_similarity,
        )
        mistakes = [*errors.false_positives, *errors.false_negatives]
        draw_sheet(
            out / f"mistakes-{name}.png",
            [[one.left, one.right] for one in mistakes if one.wrong],
            pictures,
        )
    draw_map(embeddings[annotations.indices], pictures[annotations.indices], out / "map.jpg")
    if encoder.params.slices_from == "feature_map":
        score = evaluation.hard_similarity
        variants = np.flatnonzero(annotations.hard.label)
        variants = variants[np.argsort(-score[variants], kind="stable")][
            :: max(1, len(variants) // PAIRS)
        ][:PAIRS]
        left, right = (
            annotations.indices[ends[variants]]
            for ends in (annotations.hard.left, annotations.hard.right)
        )
        draw_slices(encoder, pictures[left], pictures[right], out / "slices.jpg")


def draw_map(embeddings: np.ndarray, pictures: np.ndarray, path: Path) -> None:
    """Draws products in a t-SNE plane, in which products with similar embeddings are near.

    Args:
        embeddings: float (products, size).
        pictures: uint8 (products, side, side, 3).
        path: the JPEG file.
    """
    plane = TSNE(
        perplexity=min(30, (len(embeddings) - 1) / 3),
        metric="cosine",
        init="random",
        random_state=0,
    )
    places = plane.fit_transform(embeddings)
    low, high = places.min(axis=0), places.max(axis=0)
    corners = ((places - low) / (high - low) * (MAP - THUMBNAIL)).round().astype(int)
    sheet = Image.new("RGB", (MAP, MAP), "white")
    for picture, corner in zip(pictures, corners, strict=True):
        sheet.paste(Image.fromarray(picture).resize((THUMBNAIL, THUMBNAIL)), tuple(corner.tolist()))
    with replacing(path) as beside:
        sheet.save(beside, "JPEG", quality=85)


def draw_slices(encoder: Encoder, left: np.ndarray, right: np.ndarray, path: Path) -> None:
    """Draws a line for each pair: both pictures, then the left one for each part of the embedding.

    There it is bright where it makes the pair similar, for the whole picture and for each slice.

    Args:
        left, right: uint8 (pairs, side, side, 3).
        path: the JPEG file.
    """
    views = [torch.from_numpy(side).permute(0, 3, 1, 2).float() / 255 for side in (left, right)]
    maps = relevance(encoder, *views).numpy()
    side = left.shape[1]
    lines = []
    for pair in range(len(left)):
        cells = [left[pair], right[pair]]
        for part in maps[pair]:
            share = np.clip(part / max(float(part.max()), 1e-12), 0, 1)
            small = Image.fromarray(share.astype(np.float32))
            light = np.asarray(small.resize((side, side), Image.Resampling.BICUBIC)).clip(0, 1)
            cells.append((left[pair] * (0.25 + 0.75 * light)[..., None]).astype(np.uint8))
        lines.append(np.concatenate(cells, axis=1))
    with replacing(path) as beside:
        Image.fromarray(np.concatenate(lines)).save(beside, "JPEG", quality=85)
