"""Stage train: trains an encoder on the train split, and keeps it as it was when it was best on the dev split."""

import hashlib
import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ml.core.device import exact
from ml.core.errors import UserError
from ml.core.files import read_json, read_table, remove
from ml.core.params import load_params
from ml.core.paths import PARAMS, PREPARED, TRAINED
from ml.core.progress import progress
from ml.data.blocks import kind_numbers
from ml.model.embedding import set_center
from ml.model.encoder import Encoder, save_encoder
from ml.train.batches import AnnotatedBatches, Batches, VariantBatches
from ml.train.checkpoint import load_checkpoint, save_checkpoint
from ml.train.history import History
from ml.train.methods import METHODS
from ml.train.model_selection import Best, DevCurve
from ml.train.pair_labels import build_pair_labels
from ml.train.trainer import Trainer, TrainParams
from ml.train.weight_interpolation import interpolate_weights

TYPICAL = 1000  # train products whose mean embedding is the center, about
COLUMNS = ["epoch", "loss", "accuracy", "learning_rate", "dev_block_ap"]


def main(prepared: Path = PREPARED, params_file: Path = PARAMS, out: Path = TRAINED) -> None:
    """Trains the encoder; an interrupted training goes on from its last finished epoch."""
    params = load_params("train", TrainParams, params_file)
    exact(params.threads)
    torch.manual_seed(params.seed)  # the initial weights
    products, pairs = (
        read_table(prepared / "products.parquet"),
        read_table(prepared / "pairs.parquet"),
    )
    pictures = np.load(prepared / "images.npy", mmap_mode="r")
    masks = np.load(prepared / "masks.npy", mmap_mode="r")
    shuffle = torch.Generator().manual_seed(params.seed)
    batches = make_batches(params, products, pairs, pictures, masks, shuffle)
    trainer = Trainer(params, params.epochs * len(batches), shuffle)
    # A network of its own: training goes on from the trained weights, not from the blended ones.
    encoder = Encoder(params.encoder.model_copy(update={"weights": "random"})).to(
        trainer.fabric.device
    )
    encoder.to(memory_format=torch.channels_last)
    initial = {name: value.clone() for name, value in trainer.kept.state_dict().items()}
    share = 1.0 if params.encoder.weights == "random" else params.blend
    checkpoint, fingerprint = out / "checkpoint.pt", [params.model_dump_json(), digest(products)]
    done = load_checkpoint(checkpoint, fingerprint)
    history = History(out / "history.csv", COLUMNS, done["history"] if done else [])
    best = Best(done["best"] if done else None)
    dev = DevCurve(products, pairs, pictures)
    train_rows = np.flatnonzero(products["split"] == "train")
    typical = pictures[train_rows[:: max(1, len(train_rows) // TYPICAL)]]

    def finish(epoch: int, figures: dict[str, float]) -> None:
        encoder.load_state_dict(interpolate_weights(initial, trainer.kept.state_dict(), share))
        set_center(encoder, typical)
        figure = dev(encoder)
        best.offer(epoch, figure, encoder)
        history.add({"epoch": epoch, **figures, "dev_block_ap": figure})

    if done:
        trainer.restore(done["trainer"])
        print(
            f"going on after epoch {len(history.rows) - 1}, where an earlier training was interrupted",
            flush=True,
        )
    else:
        finish(0, {})
    with progress("train", params.epochs * len(batches), "steps") as advance:
        advance((len(history.rows) - 1) * len(batches))
        for epoch in range(len(history.rows), params.epochs + 1):
            started = time.monotonic()
            figures = trainer.epoch(batches, advance)
            speed = len(batches) * batches.size / (time.monotonic() - started)
            waiting = figures.pop("waiting")
            finish(epoch, figures)
            shown = ", ".join(
                f"{name} {value:.4g}"
                for name, value in history.rows[-1].items()
                if value is not None
            )
            print(
                f"{shown}, {speed:.0f} products/s, {waiting:.1%} of the time waiting for data",
                flush=True,
            )
            save_checkpoint(
                checkpoint,
                fingerprint,
                {"trainer": trainer.state(), "history": history.rows, "best": best.kept},
            )
    encoder.load_state_dict(best.kept["encoder"])
    print(f"kept: epoch {best.kept['epoch']} of {params.epochs}, the best on dev", flush=True)
    facts = {
        "prepare": read_json(prepared / "prepare.json"),
        "threads": params.threads,
        "epoch": best.kept["epoch"],
    }
    save_encoder(encoder, facts, out)
    remove(checkpoint)


def make_batches(
    params: TrainParams,
    products: pd.DataFrame,
    pairs: pd.DataFrame,
    pictures: np.ndarray,
    masks: np.ndarray,
    random: torch.Generator,
) -> Batches:
    """The batches that the method learns from: of the train split alone, with its annotated pairs if it asks for them.

    Raises:
        UserError: the method learns from annotated pairs alone, and the train split has none.
    """
    rows = np.flatnonzero(products["split"] == "train")
    kinds = kind_numbers(products)
    supervision = getattr(METHODS[params.method], "supervision", None)
    if supervision is None:
        return Batches(pictures, masks, rows, params.batch, random, kinds=kinds)
    labels = build_pair_labels(products, pairs, rows)
    if supervision == "annotated products as well":
        share = params.pbcnet_semi.annotated_share
        return VariantBatches(
            pictures, masks, rows, params.batch, random, labels, share, kinds=kinds
        )
    if not len(labels.paired):
        raise UserError(
            f"train.method is '{params.method}', which learns from annotated variants alone, and the train split has "
            "none: add pairs.csv to the shop, or use a method that needs none, such as pbcnet"
        )
    return AnnotatedBatches(pictures, masks, labels.annotated, params.batch, random, labels)


def digest(products: pd.DataFrame) -> str:
    """A hash of the table, whose picture hashes and boxes say what the arrays hold."""
    return hashlib.sha256(json.dumps(products.to_dict("list"), default=str).encode()).hexdigest()
