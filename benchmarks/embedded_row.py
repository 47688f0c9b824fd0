"""Trains an encoder for a row of a table, and keeps what its metrics are computed from.

These are embeddings, relative to their block, of the products whose pairs are judged. They are
small, so that rows can be trained on another machine than that of their metrics.
"""

import platform
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

import ml.train.stage
from benchmarks.checkout import commit
from ml.core.device import pick_device
from ml.core.files import read_json, read_table, replacing, write_json
from ml.core.params import load_params
from ml.data.blocks import block_mates, block_numbers, relative_to_block
from ml.evaluate.baselines import gray_pictures
from ml.evaluate.params import EvaluateParams
from ml.model.embedding import embed_pictures
from ml.model.encoder import load_encoder

FILE, FACTS = "embedded.npz", "trained.json"
JUDGED = ("dev", "test")  # splits


def embed_row(
    prepared: Path,
    params_file: Path,
    folder: Path,
    judged: set[str],
    shops: dict[str, Path],
) -> None:
    """Trains, embeds and writes `FILE` and `FACTS` beside the files of the stage train.

    Args:
        prepared: folder of the stage prepare, or one with its four files images.npy, masks.npy,
            products.parquet and pairs.parquet.
        params_file: params.yaml.
        folder: of the row.
        judged: ids of products with annotations; those of the dev and test splits are kept.
        shops: name → such a folder of another shop, of which all products are kept: as they are,
            and as gray pictures ("NAME, gray pictures").
    """
    started = time.monotonic()
    ml.train.stage.main(prepared, params_file, folder)
    seconds = time.monotonic() - started
    prior = load_params("evaluate", EvaluateParams, params_file).block_prior
    encoder = load_encoder(folder)[0].to(pick_device("auto"))
    found: dict[str, Any] = {}

    def keep(name: str, products: pd.DataFrame, wanted: np.ndarray, pictures: np.ndarray) -> None:
        block, mates = block_numbers(products), block_mates(products, wanted)
        embeddings = relative_to_block(
            embed_pictures(encoder, pictures[mates]), block[mates], prior
        )
        found[f"{name}: ids"] = products["product_id"].to_numpy(str)[wanted]
        found[name] = embeddings[np.searchsorted(mates, wanted)].astype(np.float16)

    products, pictures = _shop(prepared)
    wanted = products["split"].isin(JUDGED) & products["product_id"].isin(judged)
    keep("photos", products, np.flatnonzero(wanted), pictures)
    for name, other in shops.items():
        products, pictures = _shop(other)
        everything = np.arange(len(products))
        keep(name, products, everything, pictures)
        keep(f"{name}, gray pictures", products, everything, gray_pictures(pictures))
    with replacing(folder / FILE) as beside, beside.open("wb") as file:
        np.savez_compressed(file, **found)
    device = pick_device("auto")
    name = torch.cuda.get_device_name() if device == "cuda" else platform.machine()
    facts = {
        "train_seconds": round(seconds),
        "machine": name,
        "commit": commit("docs", "benchmarks"),
    }
    write_json(folder / FACTS, facts)


class EmbeddedRow:
    """What `embed_row` kept.

    Args:
        folder: of the row.

    Attributes:
        facts: {"train_seconds", "machine", "commit"} of the training.
    """

    def __init__(self, folder: Path) -> None:
        self.arrays = dict(np.load(folder / FILE))
        self.facts: dict[str, Any] = read_json(folder / FACTS)

    def embeddings(self, name: str, ids: np.ndarray) -> np.ndarray:
        """Returns the embeddings of products: float32 (products, size), each of length 1.

        Args:
            name: "photos", or a shop's.
            ids: str (products,), their product ids.
        """
        place = pd.Series(np.arange(len(self.arrays[name])), index=self.arrays[f"{name}: ids"])
        found = self.arrays[name][place[ids]].astype(np.float32)
        return np.asarray(found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-6))


def _shop(prepared: Path) -> tuple[pd.DataFrame, np.ndarray]:
    products = read_table(prepared / "products.parquet")
    return products, np.load(prepared / "images.npy", mmap_mode="r")
