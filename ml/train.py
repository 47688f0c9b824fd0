"""Stage train: trains an encoder on the train split, and keeps it as it was when it was best on the dev split."""

import hashlib
import json
import time
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from lightning.fabric import Fabric
from pydantic import Field
from torch import nn

from ml.augment import AugmentParams, make_views
from ml.batches import AnnotatedBatches, Batch, Batches, VariantBatches
from ml.blend import blend_weights
from ml.blocks import kind_numbers
from ml.checkpoint import load_checkpoint, save_checkpoint
from ml.device import exact, pick_device
from ml.embed import set_center
from ml.encoder import Encoder, EncoderParams, save_encoder
from ml.errors import UserError
from ml.files import read_json, read_table, remove
from ml.history import History
from ml.labels import known_labels
from ml.layout import PARAMS, PREPARED, TRAINED
from ml.methods import METHODS
from ml.methods.byol import BYOLParams
from ml.methods.moco_v2 import MoCoV2Params
from ml.methods.pbcnet import PBCNetParams
from ml.methods.pbcnet_semi import PBCNetSemiParams
from ml.methods.simsiam import SimSiamParams
from ml.methods.triplet import TripletParams
from ml.model_selection import Best, DevCurve
from ml.params import Params, load_params
from ml.progress import Advance, progress
from ml.stage import run_stage
from ml.transfer import on_device

TYPICAL = 1000  # train products whose mean embedding is the center, about
COLUMNS = ["epoch", "loss", "accuracy", "learning_rate", "dev_block_ap"]


class TrainParams(Params):
    """The knobs under `train` in params.yaml."""

    method: Literal["pbcnet", "pbcnet_semi", "moco_v2", "byol", "simsiam", "triplet"]
    epochs: int = Field(ge=0, description="0: the initial weights")
    batch: int = Field(gt=0, description="products in a step")
    learning_rate: float = Field(gt=0, description="peak of the one-cycle schedule")
    heads_rate: float = Field(
        gt=0, description="how many times as fast as the encoder the heads learn, which start from random weights"
    )
    warmup: float = Field(gt=0, lt=1, description="share of the steps in which the learning rate rises")
    weight_decay: float = Field(ge=0)
    seed: int
    threads: int = Field(gt=0, description="CPU threads; results on the CPU depend on it")
    device: Literal["auto", "cpu", "cuda"]
    compile: bool = Field(description="torch.compile the backbone: worth its minute of compiling on a GPU")
    keep: Literal["momentum", "query"] = Field(
        description="which encoder is the result: the momentum one, where the method has one, or the one that has gradients"
    )
    blend: float = Field(
        gt=0, le=1, description="share of the way from the initial to the trained weights; random ones are not blended"
    )
    encoder: EncoderParams
    augment: AugmentParams
    pbcnet: PBCNetParams
    pbcnet_semi: PBCNetSemiParams
    moco_v2: MoCoV2Params
    byol: BYOLParams
    simsiam: SimSiamParams
    triplet: TripletParams


class Trainer:
    """A method, its optimizer and schedule, and the random numbers of the views: all that a checkpoint holds.

    Args:
        steps: optimizer steps of the whole training.
        shuffle: the generator that `Batches` draws from, kept with the rest.
    """

    def __init__(self, knobs: TrainParams, steps: int, shuffle: torch.Generator) -> None:
        device = pick_device(knobs.device)
        precision: Any = "bf16-mixed" if device == "cuda" else "32-true"
        self.knobs, self.shuffle = knobs, shuffle
        self.fabric = Fabric(accelerator=device, devices=1, precision=precision)
        self.method = METHODS[knobs.method](Encoder(knobs.encoder), getattr(knobs, knobs.method))
        self.method.to(memory_format=torch.channels_last)
        self.kept: Encoder = getattr(self.method, "momentum_encoder", self.method.encoder)
        if knobs.keep == "query":
            self.kept = self.method.encoder
        if knobs.compile:
            for module in [part for part in self.method.children() if isinstance(part, Encoder)]:
                module.backbone.forward_features = torch.compile(module.backbone.forward_features)  # type: ignore
        groups = parameter_groups(self.method, knobs.learning_rate, knobs.heads_rate)
        optimizer = torch.optim.AdamW(groups, weight_decay=knobs.weight_decay, fused=True)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, [group["lr"] for group in groups], total_steps=max(1, steps), pct_start=knobs.warmup
        )
        self.module, self.optimizer = self.fabric.setup(self.method, optimizer)
        self.views = torch.Generator(self.fabric.device).manual_seed(knobs.seed)

    def epoch(self, batches: Batches, advance: Advance) -> dict[str, float]:
        """Trains on every batch once.

        Returns:
            The epoch's mean loss and accuracy, its last learning rate, and `waiting`: the share of its time that went
            into waiting for batches.
        """
        self.module.train()
        sums = torch.zeros(2, device=self.fabric.device)
        rate, waited, started = 0.0, 0.0, time.monotonic()
        source = on_device(batches, self.fabric.device)
        for _ in range(len(batches)):
            asked = time.monotonic()
            batch = next(source)
            waited += time.monotonic() - asked
            rate = float(self.schedule.get_last_lr()[0])  # the encoder's
            sums += self.step(batch)
            advance(1)
        loss_mean, accuracy_mean = (sums / len(batches)).tolist()
        waiting = waited / (time.monotonic() - started)
        return {"loss": loss_mean, "accuracy": accuracy_mean, "learning_rate": rate, "waiting": waiting}

    def step(self, batch: Batch) -> torch.Tensor:
        """One optimizer step on a batch that is on the device; returns loss and accuracy, float (2,), there."""
        first, second = make_views(batch, self.knobs.augment, self.views)
        loss, accuracy = self.module(first, second, batch.ids, batch.kinds)
        self.optimizer.zero_grad()
        self.fabric.backward(loss)
        self.optimizer.step()
        self.schedule.step()
        self.method.after_step()
        return torch.stack([loss.detach(), accuracy])

    def state(self) -> dict[str, Any]:
        """Everything that the next step depends on."""
        parts = {"method": self.method, "optimizer": self.optimizer, "schedule": self.schedule}
        generators = {"shuffle": self.shuffle, "views": self.views}
        return {name: part.state_dict() for name, part in parts.items()} | {
            name: generator.get_state() for name, generator in generators.items()
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes back to what `state` gave."""
        self.method.load_state_dict(state["method"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.shuffle.set_state(state["shuffle"])
        self.views.set_state(state["views"])


def parameter_groups(method: nn.Module, rate: float, heads_rate: float) -> list[dict[str, Any]]:
    """What the optimizer takes: the encoder's parameters at `rate`, then those of the heads at `heads_rate` times it.

    Behind random heads the first gradients are noise, which spoils pretrained weights most where nothing but a predictor
    holds the method together: the predictor of SimSiam and BYOL should learn faster (the relative learning rate αp of Tian
    et al., arXiv 2102.06810).
    """
    encoder = list(method.encoder.parameters())
    own = {id(value) for value in encoder}
    heads = [value for value in method.parameters() if value.requires_grad and id(value) not in own]
    groups = [{"params": encoder, "lr": rate}, {"params": heads, "lr": rate * heads_rate}]
    return [group for group in groups if group["params"]]


def main(prepared: Path = PREPARED, params: Path = PARAMS, out: Path = TRAINED) -> None:
    """Trains the encoder; an interrupted training goes on from its last finished epoch."""
    knobs = load_params("train", TrainParams, params)
    exact(knobs.threads)
    torch.manual_seed(knobs.seed)  # the initial weights
    products, pairs = read_table(prepared / "products.parquet"), read_table(prepared / "pairs.parquet")
    pictures = np.load(prepared / "images.npy", mmap_mode="r")
    masks = np.load(prepared / "masks.npy", mmap_mode="r")
    shuffle = torch.Generator().manual_seed(knobs.seed)
    batches = make_batches(knobs, products, pairs, pictures, masks, shuffle)
    trainer = Trainer(knobs, knobs.epochs * len(batches), shuffle)
    # A network of its own: training goes on from the trained weights, not from the blended ones.
    encoder = Encoder(knobs.encoder.model_copy(update={"weights": "random"})).to(trainer.fabric.device)
    encoder.to(memory_format=torch.channels_last)
    initial = {name: value.clone() for name, value in trainer.kept.state_dict().items()}
    share = 1.0 if knobs.encoder.weights == "random" else knobs.blend
    checkpoint, fingerprint = out / "checkpoint.pt", [knobs.model_dump_json(), digest(products)]
    done = load_checkpoint(checkpoint, fingerprint)
    history = History(out / "history.csv", COLUMNS, done["history"] if done else [])
    best = Best(done["best"] if done else None)
    dev = DevCurve(products, pairs, pictures)
    train_rows = np.flatnonzero(products["split"] == "train")
    typical = pictures[train_rows[:: max(1, len(train_rows) // TYPICAL)]]

    def finish(epoch: int, figures: dict[str, float]) -> None:
        encoder.load_state_dict(blend_weights(initial, trainer.kept.state_dict(), share))
        set_center(encoder, typical)
        figure = dev(encoder)
        best.offer(epoch, figure, encoder)
        history.add({"epoch": epoch, **figures, "dev_block_ap": figure})

    if done:
        trainer.restore(done["trainer"])
        print(f"going on after epoch {len(history.rows) - 1}, where an earlier training was interrupted", flush=True)
    else:
        finish(0, {})
    with progress("train", knobs.epochs * len(batches), "steps") as advance:
        advance((len(history.rows) - 1) * len(batches))
        for epoch in range(len(history.rows), knobs.epochs + 1):
            started = time.monotonic()
            figures = trainer.epoch(batches, advance)
            speed = len(batches) * batches.size / (time.monotonic() - started)
            waiting = figures.pop("waiting")
            finish(epoch, figures)
            shown = ", ".join(f"{name} {value:.4g}" for name, value in history.rows[-1].items() if value is not None)
            print(f"{shown}, {speed:.0f} products/s, {waiting:.1%} of the time waiting for data", flush=True)
            save_checkpoint(
                checkpoint, fingerprint, {"trainer": trainer.state(), "history": history.rows, "best": best.kept}
            )
    encoder.load_state_dict(best.kept["encoder"])
    print(f"kept: epoch {best.kept['epoch']} of {knobs.epochs}, the best on dev", flush=True)
    facts = {"prepare": read_json(prepared / "prepare.json"), "threads": knobs.threads, "epoch": best.kept["epoch"]}
    save_encoder(encoder, facts, out)
    remove(checkpoint)


def make_batches(
    knobs: TrainParams,
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
    supervision = getattr(METHODS[knobs.method], "supervision", None)
    if supervision is None:
        return Batches(pictures, masks, rows, knobs.batch, random, kinds=kinds)
    labels = known_labels(products, pairs, rows)
    if supervision == "annotated products as well":
        share = knobs.pbcnet_semi.annotated_share
        return VariantBatches(pictures, masks, rows, knobs.batch, random, labels, share, kinds=kinds)
    if not len(labels.paired):
        raise UserError(
            f"train.method is '{knobs.method}', which learns from annotated variants alone, and the train split has "
            "none: add pairs.csv to the shop, or use a method that needs none, such as pbcnet"
        )
    return AnnotatedBatches(pictures, masks, labels.annotated, knobs.batch, random, labels)


def digest(products: pd.DataFrame) -> str:
    """A hash of the table, whose picture hashes and boxes say what the arrays hold."""
    return hashlib.sha256(json.dumps(products.to_dict("list"), default=str).encode()).hexdigest()


if __name__ == "__main__":
    run_stage(main)
