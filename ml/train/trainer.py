"""The params of a training, and the trainer: a method with its optimizer, its schedule and the random numbers of its views."""

import time
from typing import Any, Literal

import torch
from lightning.fabric import Fabric
from pydantic import Field
from torch import nn

from ml.core.device import pick_device
from ml.core.params import Params
from ml.core.progress import Advance
from ml.model.encoder import Encoder, EncoderParams
from ml.train.augment import AugmentParams, make_views
from ml.train.batches import Batch, Batches
from ml.train.methods import METHODS
from ml.train.methods.byol import BYOLParams
from ml.train.methods.moco_v2 import MoCoV2Params
from ml.train.methods.pbcnet import PBCNetParams
from ml.train.methods.pbcnet_semi import PBCNetSemiParams
from ml.train.methods.simsiam import SimSiamParams
from ml.train.methods.triplet import TripletParams
from ml.train.prefetch import prefetch


class TrainParams(Params):
    """The params under `train` in params.yaml."""

    method: Literal["pbcnet", "pbcnet_semi", "moco_v2", "byol", "simsiam", "triplet"]
    epochs: int = Field(ge=0, description="0: the initial weights")
    batch: int = Field(gt=0, description="products in a step")
    learning_rate: float = Field(gt=0, description="peak of the one-cycle schedule")
    heads_rate: float = Field(
        gt=0,
        description="how many times as fast as the encoder the heads learn, which start from random weights",
    )
    warmup: float = Field(
        gt=0, lt=1, description="share of the steps in which the learning rate rises"
    )
    weight_decay: float = Field(ge=0)
    seed: int
    threads: int = Field(gt=0, description="CPU threads; results on the CPU depend on it")
    device: Literal["auto", "cpu", "cuda"]
    compile: bool = Field(
        description="torch.compile the backbone: worth its minute of compiling on a GPU"
    )
    keep: Literal["momentum", "query"] = Field(
        description="which encoder is the result: the momentum one, where the method has one, or the one that has gradients"
    )
    blend: float = Field(
        gt=0,
        le=1,
        description="share of the way from the initial to the trained weights; random ones are not blended",
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

    def __init__(self, params: TrainParams, steps: int, shuffle: torch.Generator) -> None:
        device = pick_device(params.device)
        precision: Any = "bf16-mixed" if device == "cuda" else "32-true"
        self.params, self.shuffle = params, shuffle
        self.fabric = Fabric(accelerator=device, devices=1, precision=precision)
        self.method = METHODS[params.method](
            Encoder(params.encoder), getattr(params, params.method)
        )
        self.method.to(memory_format=torch.channels_last)
        self.kept: Encoder = getattr(self.method, "momentum_encoder", self.method.encoder)
        if params.keep == "query":
            self.kept = self.method.encoder
        if params.compile:
            for module in [part for part in self.method.children() if isinstance(part, Encoder)]:
                module.backbone.forward_features = torch.compile(module.backbone.forward_features)  # type: ignore
        groups = parameter_groups(self.method, params.learning_rate, params.heads_rate)
        optimizer = torch.optim.AdamW(groups, weight_decay=params.weight_decay, fused=True)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            [group["lr"] for group in groups],
            total_steps=max(1, steps),
            pct_start=params.warmup,
        )
        self.module, self.optimizer = self.fabric.setup(self.method, optimizer)
        self.views = torch.Generator(self.fabric.device).manual_seed(params.seed)

    def epoch(self, batches: Batches, advance: Advance) -> dict[str, float]:
        """Trains on every batch once.

        Returns:
            The epoch's mean loss and accuracy, its last learning rate, and `waiting`: the share of
            its time that went into waiting for batches.
        """
        self.module.train()
        sums = torch.zeros(2, device=self.fabric.device)
        rate, waited, started = 0.0, 0.0, time.monotonic()
        source = prefetch(batches, self.fabric.device)
        for _ in range(len(batches)):
            asked = time.monotonic()
            batch = next(source)
            waited += time.monotonic() - asked
            rate = float(self.schedule.get_last_lr()[0])  # the encoder's
            sums += self.step(batch)
            advance(1)
        loss_mean, accuracy_mean = (sums / len(batches)).tolist()
        waiting = waited / (time.monotonic() - started)
        return {
            "loss": loss_mean,
            "accuracy": accuracy_mean,
            "learning_rate": rate,
            "waiting": waiting,
        }

    def step(self, batch: Batch) -> torch.Tensor:
        """One optimizer step on a batch that is on the device; returns loss and accuracy, float (2,), there."""
        first, second = make_views(batch, self.params.augment, self.views)
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

    Behind random heads the first gradients are noise, which spoils pretrained weights most where
    nothing but a predictor
    holds the method together: the predictor of SimSiam and BYOL should learn faster (the relative
        learning rate αp of Tian
    et al., arXiv 2102.06810).
    """
    body: list[nn.Parameter] = []
    heads: list[nn.Parameter] = []
    for name, value in method.named_parameters():
        if value.requires_grad:  # momentum copies have no gradients
            (body if name.startswith("encoder.") else heads).append(value)
    groups = [{"params": body, "lr": rate}, {"params": heads, "lr": rate * heads_rate}]
    return [group for group in groups if group["params"]]
