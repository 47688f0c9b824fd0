"""Stage train: trains an encoder on the train split and keeps the epoch that is best on dev."""

import hashlib
import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save

from ml.core.device import exact
from ml.core.files import read_json, read_table, remove
from ml.core.paths import PARAMS, PREPARED, TRAINED
from ml.core.progress import progress
from ml.model.embedding import set_whitening
from ml.model.encoder import Encoder, load_state, save_encoder
from ml.model.pretrained import weights_licence
from ml.train.checkpoint import load_checkpoint, save_checkpoint
from ml.train.history import History
from ml.train.model_selection import Best, DevCurve
from ml.train.params import load_train_params
from ml.train.side_check import check_side
from ml.train.train_split import Excerpt, TrainSplit
from ml.train.trainer import Trainer
from ml.train.weight_interpolation import interpolate_weights

TYPICAL = 4000  # about so many products are embedded to fit a whitening
COLUMNS = ["epoch", "loss", "accuracy", "learning_rate", "dev_block_ap"]


def main(prepared: Path = PREPARED, params_file: Path = PARAMS, out: Path = TRAINED) -> None:
    """Trains the encoder; an interrupted training continues after its last finished epoch.

    Writes encoder.safetensors, encoder.json and history.csv.
    """
    params = load_train_params(params_file)
    exact(params.threads)
    torch.manual_seed(params.seed)  # the initial weights
    split = load_split(prepared)
    shuffle = torch.Generator().manual_seed(params.seed)
    batches = params.method_class.batches(split, params.batch, params.method_params, shuffle)
    trainer = Trainer(params, params.epochs * len(batches), shuffle)
    # A second network holds the blended weights: training continues from the trained ones.
    encoder = Encoder(params.encoder.model_copy(update={"weights": "random"}))
    encoder.to(trainer.fabric.device).to(memory_format=torch.channels_last)
    check_side(encoder, split.pictures.shape[1])
    initial = {name: value.clone() for name, value in trainer.kept.state_dict().items()}
    share = 1.0 if params.encoder.weights == "random" else params.blend
    checkpoint = out / "checkpoint.pt"
    fingerprint = [params.model_dump_json(), digest(split.products)]
    done = load_checkpoint(checkpoint, fingerprint)
    history = History(out / "history.csv", COLUMNS, done["history"] if done else [])
    best = Best(done["best"] if done else None)
    dev = DevCurve(split.products, split.pairs, split.pictures)
    typical = excerpt(split, split.indices)
    fitted = (
        typical if params.whitened_on == "train" else excerpt(split, np.arange(len(split.products)))
    )

    def finish(epoch: int, metrics: dict[str, float]) -> None:
        load_state(encoder, interpolate_weights(initial, trainer.kept.state_dict(), share))
        set_whitening(encoder, fitted)
        block_ap = dev(encoder)
        best.offer(epoch, block_ap, encoder)
        history.add({"epoch": epoch, **metrics, "dev_block_ap": block_ap})

    if done:
        trainer.restore(done["trainer"])
        last = len(history.rows) - 1
        print(f"going on after epoch {last}, where an earlier training stopped", flush=True)
    else:
        trainer.method.begin(typical)
        finish(0, {})
    earlier = (len(history.rows) - 1) * len(batches)
    with progress("train", params.epochs * len(batches), "steps", earlier) as advance:
        for epoch in range(len(history.rows), params.epochs + 1):
            started = time.monotonic()
            metrics = trainer.epoch(batches, advance)
            speed = len(batches) * batches.size / (time.monotonic() - started)
            waiting = metrics.pop("waiting")
            finish(epoch, metrics)
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
    load_state(encoder, best.kept["encoder"])
    print(f"kept: epoch {best.kept['epoch']} of {params.epochs}, the best on dev", flush=True)
    facts = {
        "prepare": read_json(prepared / "prepare.json"),
        "threads": params.threads,
        "whitened_on": params.whitened_on,
        "epoch": best.kept["epoch"],
        "initial_weights_sha256": weights_digest(initial),
        "weights_licence": weights_licence(params.encoder.backbone, params.encoder.weights),
    }
    save_encoder(encoder, facts, out)
    remove(checkpoint)


def excerpt(split: TrainSplit, indices: np.ndarray) -> Excerpt:
    """Thins products evenly to `TYPICAL` or somewhat more; as an array they could be a gigabyte."""
    return Excerpt(split.pictures, indices[:: max(1, len(indices) // TYPICAL)])


def load_split(prepared: Path) -> TrainSplit:
    """Loads the train split from the folder of the stage prepare; its arrays are memory maps."""
    products, pairs = (read_table(prepared / f"{name}.parquet") for name in ("products", "pairs"))
    pictures, masks = (
        np.load(prepared / f"{name}.npy", mmap_mode="r") for name in ("images", "masks")
    )
    return TrainSplit(products, pairs, pictures, masks)


def digest(products: pd.DataFrame) -> str:
    """Hashes the products table, whose picture hashes and boxes determine the arrays."""
    return hashlib.sha256(json.dumps(products.to_dict("list"), default=str).encode()).hexdigest()


def weights_digest(state: dict[str, torch.Tensor]) -> str:
    """Hashes the tensors of a backbone, so that the record tells from which weights it began.

    Args:
        state: the state of an encoder, by names such as "backbone.conv_stem.weight".
    """
    own = {name: value for name, value in state.items() if name.startswith("backbone.")}
    content = save({name: value.cpu().contiguous() for name, value in own.items()})
    return hashlib.sha256(content).hexdigest()
