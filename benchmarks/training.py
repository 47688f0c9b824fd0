"""Training speed: our MoCo v2 and PBCNet against lightly's MoCo v2, and against the pure step.

All contestants have the same backbone (random weights), picture size, batch and threads, and take
turns in processes of their own. Speeds are medians of pictures per second over the rounds, and
ratios are medians of the rounds' ratios. lightly's MoCo v2 runs twice: as its docs build it, and
with this project's allocator settings (`ml.core.allocator`), to measure their part. The pure step
trains on random views that lie in memory: no step can be faster.
"""

import copy
import statistics
from collections.abc import Iterator
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import torch
import typer
import yaml
from lightly.data import LightlyDataset
from lightly.loss import NTXentLoss
from lightly.models.modules import MoCoProjectionHead
from lightly.models.utils import deactivate_requires_grad, update_momentum
from lightly.transforms.moco_transform import MoCoV2Transform
from torch import Tensor, nn
from torch.utils.data import DataLoader

from benchmarks.checkout import ROOT, WORK, commit, shop_images
from benchmarks.turns import Contestant, Step, race, ratio
from ml.core.allocator import keep_memory
from ml.core.command import run_app
from ml.core.device import exact
from ml.core.files import replacing, write_json
from ml.core.params import load_params
from ml.model.backbones import build_backbone
from ml.prepare.crop import CropParams
from ml.prepare.stage import write_arrays
from ml.train.batches import Batches
from ml.train.params import TrainParams, train_params_class
from ml.train.prefetch import prefetch
from ml.train.trainer import Trainer

OUT = {
    "cpu": Path(__file__).with_name("training.json"),
    "cuda": Path(__file__).with_name("training_gpu.json"),
}
PEER, LIMIT = "lightly MoCo v2", "pure MoCo v2 step, channels_last"
BACKBONES = "tf_efficientnet_lite0,mobilenetv3_small_100,resnet18"
QUEUE, WIDTH = 4096, 128

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
    """Measures, prints a table and writes benchmarks/training.json, or training_gpu.json."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    images, cache = shop_pictures(size)
    table = {}
    for backbone in backbones.split(","):
        settings: dict[str, Any] = {"backbone": backbone, "batch": batch, "threads": threads}
        slices: dict[str, Any] = {"slices": "quadrants", "slices_from": "feature_map"}
        plain: dict[str, Any] = {"slices": "none", "slices_from": "feature_map"}
        peer = {**settings, "images": images, "size": size, "workers": workers, "device": device}
        makers = {
            PEER: partial(lightly_moco, **peer, memory=False),
            "lightly MoCo v2, memory kept": partial(lightly_moco, **peer, memory=True),
            "our MoCo v2": partial(ours, **settings, cache=cache, method="moco_v2", **plain),
            "our PBCNet, quadrants of the feature map": partial(
                ours, **settings, cache=cache, method="pbcnet", **slices
            ),
            LIMIT: partial(pure, **settings, size=size),
        }
        seconds = race({name: Contestant(make) for name, make in makers.items()}, rounds, steps)
        table[backbone] = {
            name: {
                "pictures_per_second": batch / statistics.median(own),
                "to_lightly": ratio(seconds[PEER], own),
                "to_pure": ratio(seconds[LIMIT], own),
            }
            for name, own in seconds.items()
        }
        for name, result in table[backbone].items():
            print(
                f"{backbone}  {name}: {result['pictures_per_second']:.1f} pictures/s, "
                f"{result['to_lightly']:.2f} × lightly, {result['to_pure']:.2f} of the pure step",
                flush=True,
            )
        moco, pbcnet = (seconds[name] for name in list(seconds)[2:4])
        print(
            f"{backbone}  PBCNet takes {ratio(pbcnet, moco):.2f} × the time of MoCo v2", flush=True
        )
    where = {
        "device": torch.cuda.get_device_name() if device == "cuda" else f"cpu, {threads} threads"
    }
    chosen = {"size": size, "batch": batch, "rounds": rounds, "steps": steps, "workers": workers}
    write_json(OUT[device], {"commit": commit(), **where, **chosen, "backbones": table})


def shop_pictures(size: int) -> tuple[Path, Path]:
    """Returns two folders: a generated shop's JPEG files, and the same pictures cropped once.

    The second one is made as the stage prepare does.
    """
    images, cache = shop_images(), WORK / f"cache-{size}"
    how = load_params("prepare", CropParams, ROOT / "params.yaml").model_copy(update={"side": size})
    if not cache.is_dir():
        with replacing(cache) as beside:
            beside.mkdir(parents=True)
            write_arrays(pictures_of(images.parent), images, how, beside)
    return images, cache


def pictures_of(shop: Path) -> pd.DataFrame:
    """Returns the shop's catalogue for `write_arrays`, with the pictures' names as `sha256`."""
    catalogue = pd.read_csv(shop / "catalog.csv")
    return catalogue.assign(sha256=catalogue["image"].map(lambda image: Path(image).name))


def ours(
    backbone: str, batch: int, threads: int, cache: Path, method: str, slices: str, slices_from: str
) -> Step:
    """Makes a step of this project's trainer, with its augmentation and data path."""
    exact(threads)
    pictures, masks = (
        np.load(cache / f"{name}.npy", mmap_mode="r") for name in ("images", "masks")
    )
    trainer = Trainer(
        train_params(method, slices, slices_from, backbone, batch, threads),
        10_000,
        torch.Generator(),
    )
    trainer.module.train()
    batches = Batches(
        pictures, masks, np.arange(len(pictures)), batch, torch.Generator().manual_seed(0)
    )
    source = prefetch(forever(batches), trainer.fabric.device)
    return lambda: trainer.step(next(source))


def pure(backbone: str, batch: int, threads: int, size: int) -> Step:
    """Makes a step of the same network, loss, optimizer and momentum update, on fixed views."""
    exact(threads)
    trainer = Trainer(
        train_params("moco_v2", "none", "feature_map", backbone, batch, threads),
        10_000,
        torch.Generator(),
    )
    trainer.module.train()
    views = [torch.rand(batch, 3, size, size, device=trainer.fabric.device) for _ in range(2)]
    views = [view.contiguous(memory_format=torch.channels_last) for view in views]
    ids = torch.arange(batch, device=trainer.fabric.device)

    def step() -> None:
        loss, _ = trainer.module(views[0], views[1], ids)
        trainer.optimizer.zero_grad()
        trainer.fabric.backward(loss)
        trainer.optimizer.step()
        trainer.method.on_step_end()

    return step


def train_params(
    method: str, slices: str, slices_from: str, backbone: str, batch: int, threads: int
) -> TrainParams:
    """Returns params.yaml with the compared settings.

    Batch statistics are trained, as in lightly's example.
    """
    content: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    section = content["train"]
    section |= {"method": method, "batch": batch, "threads": threads}
    section["encoder"] |= {
        "backbone": backbone,
        "weights": "random",
        "frozen_batchnorm": False,
        "slices": slices,
        "slices_from": slices_from,
        "input": "rgb",
    }
    section[method] |= {"queue": QUEUE, "projection": WIDTH}
    if "head" in section[method]:
        section[method]["head"] = "linear"
    return train_params_class().model_validate(section)


class LightlyMoCo(nn.Module):
    """MoCo v2 as lightly's docs build it (docs.lightly.ai, examples: MoCo v2, PyTorch)."""

    def __init__(self, backbone: nn.Module, features: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.projection_head = MoCoProjectionHead(features, features, WIDTH)
        self.backbone_momentum = copy.deepcopy(self.backbone)
        self.projection_head_momentum = copy.deepcopy(self.projection_head)
        deactivate_requires_grad(self.backbone_momentum)
        deactivate_requires_grad(self.projection_head_momentum)

    def forward(self, pictures: Tensor) -> Tensor:
        """Returns the queries of pictures: float (batch, WIDTH)."""
        return self.projection_head(self.backbone(pictures).flatten(start_dim=1))

    def forward_momentum(self, pictures: Tensor) -> Tensor:
        """Returns the keys of pictures: float (batch, WIDTH)."""
        return self.projection_head_momentum(
            self.backbone_momentum(pictures).flatten(start_dim=1)
        ).detach()


def lightly_moco(
    backbone: str,
    batch: int,
    threads: int,
    images: Path,
    size: int,
    workers: int,
    device: str,
    memory: bool,
) -> Step:
    """Makes a step of lightly's example: JPEG files, its transform, DataLoader, memory bank, SGD.

    Args:
        memory: whether to use the settings of `ml.core.allocator`.
    """
    torch.set_num_threads(threads)
    if memory:
        keep_memory()
    network = build_backbone(backbone, "random")
    # Some networks have more features than their feature map has channels.
    features = network.eval()(torch.zeros(1, 3, size, size)).shape[1]
    model = LightlyMoCo(network, features).to(device).train()
    dataset = LightlyDataset(str(images), transform=MoCoV2Transform(input_size=size))
    loader = DataLoader(
        dataset,
        batch_size=batch,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
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
    """Yields the batches of one epoch after another, without end."""
    for epoch in cycle([epochs]):
        yield from epoch


if __name__ == "__main__":
    run_app(app)
