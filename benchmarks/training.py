"""Training speed: our MoCo v2 and PBCNet against lightly's MoCo v2 as its docs build it, and against the pure step.

All share backbone (random weights), picture size, batch and threads, and take turns in one process, so that a slow moment of
the machine meets them all; figures are medians of pictures a second over the rounds, and ratios are medians of the rounds'
ratios. The pure step trains on random views that lie in memory: no step can be faster.
"""

import copy
import statistics
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
import yaml
from lightly.data import LightlyDataset
from lightly.loss import NTXentLoss
from lightly.models.modules import MoCoProjectionHead
from lightly.models.utils import deactivate_requires_grad, update_momentum
from lightly.transforms import MoCoV2Transform
from torch import Tensor, nn
from torch.utils.data import DataLoader

from benchmarks.results import ROOT, commit
from ml.backbones import build_backbone
from ml.batches import Batches
from ml.crop import CropParams, crop_product
from ml.files import write_json
from ml.images import decode
from ml.stage import run_app
from ml.synthetic import generate_shop
from ml.train import Trainer, TrainParams

WORK = ROOT / ".variants/benchmarks"
OUT = Path(__file__).with_name("training.json")
BACKBONES = "tf_efficientnet_lite0,mobilenetv3_small_100,resnet18"
QUEUE, WIDTH = 4096, 128
Step = Callable[[], object]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    backbones: Annotated[str, typer.Option(help="timm names, comma-separated.")] = BACKBONES,
    size: Annotated[int, typer.Option(help="Pixels a side.")] = 96,
    batch: Annotated[int, typer.Option(help="Pictures a step.")] = 64,
    threads: Annotated[int, typer.Option(help="CPU threads.")] = 2,
    rounds: Annotated[int, typer.Option(help="How often the contestants take turns.")] = 5,
    steps: Annotated[int, typer.Option(help="Steps of each in a round.")] = 4,
    workers: Annotated[int, typer.Option(help="lightly's DataLoader workers.")] = 0,
) -> None:
    """Measures, prints a table and writes benchmarks/training.json."""
    torch.set_num_threads(threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    images, pictures, masks = shop_pictures(size)
    table = {}
    for backbone in backbones.split(","):
        contestants: dict[str, Step] = {
            "lightly MoCo v2": lightly_moco(backbone, images, size, batch, workers, device),
            "our MoCo v2": ours("moco_v2", "none", backbone, pictures, masks, batch, threads),
            "our PBCNet, quadrants of the feature map": ours(
                "pbcnet", "quadrants", backbone, pictures, masks, batch, threads
            ),
            "pure MoCo v2 step, channels_last": pure(backbone, pictures, masks, batch, threads, size),
        }
        table[backbone] = race(contestants, rounds, steps, batch)
        for name, figures in table[backbone].items():
            print(
                f"{backbone}  {name}: {figures['pictures_per_second']:.1f} pictures/s, {figures['to_lightly']:.2f} × lightly, "
                f"{figures['to_pure']:.2f} of the pure step",
                flush=True,
            )
    where = {"device": torch.cuda.get_device_name() if device == "cuda" else f"cpu, {threads} threads"}
    settings = {"size": size, "batch": batch, "rounds": rounds, "steps": steps, "workers": workers}
    write_json(OUT, {"commit": commit(), **where, **settings, "backbones": table})


def race(contestants: dict[str, Step], rounds: int, steps: int, batch: int) -> dict[str, dict[str, float]]:
    """Pictures a second of each, and the ratios to lightly and to the pure step within each round."""
    for step in contestants.values():  # warm-up: allocations and kernel choices
        step()
        step()
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, step in contestants.items():
            started = time.perf_counter()
            for _ in range(steps):
                step()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            seconds[name].append((time.perf_counter() - started) / steps)
    peer, limit = next(iter(seconds.values())), list(seconds.values())[-1]

    def ratio(other: list[float], own: list[float]) -> float:
        return statistics.median(a / b for a, b in zip(other, own, strict=True))

    return {
        name: {
            "pictures_per_second": batch / statistics.median(own),
            "to_lightly": ratio(peer, own),
            "to_pure": ratio(limit, own),
        }
        for name, own in seconds.items()
    }


def shop_pictures(size: int) -> tuple[Path, np.ndarray, np.ndarray]:
    """A generated shop's JPEG files, and the same pictures cropped once, as `ml.prepare` does."""
    shop = WORK / "shop"
    if not shop.is_dir():
        generate_shop(shop, 360, seed=0)
    how = CropParams(size=size, localizer="foreground")
    files = sorted((shop / "images").iterdir())
    crops = [crop_product(decode(file.read_bytes()), how, article_type="") for file in files]
    return shop / "images", np.stack([crop[0] for crop in crops]), np.stack([crop[1] for crop in crops])


def ours(
    method: str, slices: str, backbone: str, pictures: np.ndarray, masks: np.ndarray, batch: int, threads: int
) -> Step:
    """A step of this project's trainer, augmentation and data path included."""
    trainer = Trainer(knobs(method, slices, backbone, batch, threads), 10_000, torch.Generator())
    trainer.module.train()
    batches = Batches(pictures, masks, np.arange(len(pictures)), batch, torch.Generator().manual_seed(0))
    source = forever(batches)
    return lambda: trainer.step(next(source))


def pure(backbone: str, pictures: np.ndarray, masks: np.ndarray, batch: int, threads: int, size: int) -> Step:
    """The same network, loss, optimizer and momentum update on views that are made once."""
    trainer = Trainer(knobs("moco_v2", "none", backbone, batch, threads), 10_000, torch.Generator())
    trainer.module.train()
    views = [torch.rand(batch, 3, size, size, device=trainer.fabric.device) for _ in range(2)]
    views = [view.contiguous(memory_format=torch.channels_last) for view in views]
    ids = torch.arange(batch, device=trainer.fabric.device)

    def step() -> None:
        loss, _ = trainer.module(views[0], views[1], ids)
        trainer.optimizer.zero_grad()
        trainer.fabric.backward(loss)
        trainer.optimizer.step()
        trainer.method.after_step()

    return step


def knobs(method: str, slices: str, backbone: str, batch: int, threads: int) -> TrainParams:
    """params.yaml with what is compared: batch statistics are trained, as lightly's example does."""
    section: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))["train"]
    section |= {"method": method, "batch": batch, "threads": threads}
    section["encoder"] |= {
        "backbone": backbone,
        "weights": "random",
        "frozen_batchnorm": False,
        "slices": slices,
        "input": "rgb",
    }
    section[method] |= {"queue": QUEUE, "projection": WIDTH}
    return TrainParams.model_validate(section)


class LightlyMoCo(nn.Module):
    """MoCo v2 as lightly's documentation builds it (docs.lightly.ai, examples: MoCo v2, PyTorch)."""

    def __init__(self, backbone: nn.Module, features: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.projection_head = MoCoProjectionHead(features, features, WIDTH)
        self.backbone_momentum = copy.deepcopy(self.backbone)
        self.projection_head_momentum = copy.deepcopy(self.projection_head)
        deactivate_requires_grad(self.backbone_momentum)
        deactivate_requires_grad(self.projection_head_momentum)

    def forward(self, pictures: Tensor) -> Tensor:
        """Queries."""
        return self.projection_head(self.backbone(pictures).flatten(start_dim=1))

    def forward_momentum(self, pictures: Tensor) -> Tensor:
        """Keys."""
        return self.projection_head_momentum(self.backbone_momentum(pictures).flatten(start_dim=1)).detach()


def lightly_moco(backbone: str, images: Path, size: int, batch: int, workers: int, device: str) -> Step:
    """A step of lightly's example: JPEG files, its transform, DataLoader, memory bank and SGD."""
    network = build_backbone(backbone, "random")
    model = LightlyMoCo(network, int(network.num_features)).to(device).train()  # type: ignore[arg-type]
    dataset = LightlyDataset(str(images), transform=MoCoV2Transform(input_size=size))
    loader = DataLoader(
        dataset, batch_size=batch, shuffle=True, drop_last=True, num_workers=workers, persistent_workers=workers > 0
    )
    criterion = NTXentLoss(memory_bank_size=(QUEUE, WIDTH)).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.06)
    source = forever(loader)

    def step() -> None:
        query_view, key_view = next(source)[0]
        update_momentum(model.backbone, model.backbone_momentum, m=0.99)
        update_momentum(model.projection_head, model.projection_head_momentum, m=0.99)
        loss = criterion(model(query_view.to(device)), model.forward_momentum(key_view.to(device)))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def forever(epochs: Any) -> Iterator[Any]:
    """Epoch after epoch."""
    for epoch in cycle([epochs]):
        yield from epoch


if __name__ == "__main__":
    run_app(app)
