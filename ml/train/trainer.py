"""The trainer: a training method with its optimizer, schedule and random generators."""

import time
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import nn

from ml.core.device import pick_device
from ml.core.progress import Advance
from ml.model.encoder import Encoder
from ml.train.augment import make_views
from ml.train.batches import Batch, Batches
from ml.train.methods import TrainingMethod
from ml.train.params import TrainParams
from ml.train.prefetch import prefetch


class Trainer:
    """Trains a training method step by step; its state can be saved and restored.

    Args:
        params: of the training.
        steps: number of optimizer steps of the whole training.
        shuffle: the generator that `Batches` draws from; it is part of the state.

    Attributes:
        method: the training method, on the device.
        kept: the encoder that training results in.
        views: the generator of the views.
    """

    def __init__(self, params: TrainParams, steps: int, shuffle: torch.Generator) -> None:
        device = pick_device(params.device)
        precision: Any = "bf16-mixed" if device == "cuda" else "32-true"
        self.params, self.shuffle = params, shuffle
        self.fabric = Fabric(accelerator=device, devices=1, precision=precision)
        self.method = params.method_class(Encoder(params.encoder), params.method_params)
        self.method.to(memory_format=torch.channels_last)
        by_query = params.keep == "query"
        self.kept = self.method.encoder if by_query else self.method.kept_encoder
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
            "loss" and "accuracy", means over the epoch; "learning_rate", that of the encoder in the
            last step; "waiting", the share of the time in which the trainer waited for batches.
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
        """Takes one optimizer step on a batch that is on the device.

        Returns:
            Loss and accuracy: float (2,), on the device.
        """
        first, second = make_views(batch, self.params.augment, self.views)
        loss, accuracy = self.module(first, second, batch.ids, batch.kinds)
        self.optimizer.zero_grad()
        self.fabric.backward(loss)
        self.optimizer.step()
        self.schedule.step()
        self.method.on_step_end()
        return torch.stack([loss.detach(), accuracy])

    def state(self) -> dict[str, Any]:
        """Returns everything that the next step depends on."""
        parts = {"method": self.method, "optimizer": self.optimizer, "schedule": self.schedule}
        generators = {"shuffle": self.shuffle, "views": self.views}
        return {name: part.state_dict() for name, part in parts.items()} | {
            name: generator.get_state() for name, generator in generators.items()
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Restores what `state` returned."""
        self.method.load_state_dict(state["method"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.shuffle.set_state(state["shuffle"])
        self.views.set_state(state["views"])


def parameter_groups(
    method: TrainingMethod, rate: float, heads_rate: float
) -> list[dict[str, Any]]:
    """Sorts a method's parameters into groups for the optimizer: the encoder's, then the heads'.

    Heads with random weights make the first gradients noisy, and noise spoils pretrained weights.
    This is worst for SimSiam and BYOL, where only a predictor prevents collapse: their predictor
    should learn faster (the relative learning rate αp of Tian et al., arXiv 2102.06810).

    Args:
        method: its parameters without gradients are left out.
        rate: learning rate of the encoder.
        heads_rate: the heads' learning rate in multiples of `rate`.

    Returns:
        At most two groups for an optimizer, each {"params", "lr"}; none of them is empty.
    """
    body: list[nn.Parameter] = []
    heads: list[nn.Parameter] = []
    for name, value in method.named_parameters():
        if value.requires_grad:  # momentum copies have no gradients
            (body if name.startswith("encoder.") else heads).append(value)
    groups = [{"params": body, "lr": rate}, {"params": heads, "lr": rate * heads_rate}]
    return [group for group in groups if group["params"]]
