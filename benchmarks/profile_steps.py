"""Training steps of a profile of params.yaml on random crops: products a second, and memory.

It needs neither a shop nor the network: weights are random, which changes no time. It proves that
a step fits the machine before weights are fetched.
"""

import time
from pathlib import Path
from typing import Annotated

import torch
import typer

from benchmarks.checkout import ROOT
from ml.core.command import run_app
from ml.core.params import profile_params, read_params
from ml.train.batches import Batch
from ml.train.params import train_params_class
from ml.train.trainer import Trainer

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    profile: Annotated[str, typer.Argument(help="Under `profiles` in params.yaml.")] = "gpu",
    steps: Annotated[int, typer.Option(help="Steps that are timed, after three others.")] = 20,
    device: Annotated[str | None, typer.Option(help="cpu or cuda; else the profile's.")] = None,
    batch: Annotated[int | None, typer.Option(help="Products; else the profile's.")] = None,
    compiled: Annotated[
        bool | None, typer.Option("--compile/--no-compile", help="Else the profile's.")
    ] = None,
    params_file: Annotated[Path, typer.Option(help="The params.")] = ROOT / "params.yaml",
) -> None:
    """Trains on random crops and prints seconds to begin, products a second and peak memory."""
    content = read_params(params_file)
    own = {"train.encoder.weights": "random", "train.device": device, "train.batch": batch}
    own |= {"train.compile": compiled}
    chosen = {name: value for name, value in own.items() if value is not None}
    for name, value in {**profile_params(profile, params_file), **chosen}.items():
        *sections, last = name.split(".")
        place = content
        for section in sections:
            place = place[section]
        place[last] = value
    params = train_params_class().model_validate(content["train"])
    side, count = content["prepare"]["side"], params.batch
    torch.manual_seed(params.seed)
    trainer = Trainer(params, steps + 3, torch.Generator())
    target = trainer.fabric.device
    crops = torch.randint(256, (count, side, side, 3), dtype=torch.uint8, device=target)
    masks = torch.full((count, side, side), 255, dtype=torch.uint8, device=target)
    ids = torch.arange(count, device=target)
    data = Batch(crops, masks, crops, masks, ids, torch.zeros_like(ids))
    trainer.module.train()
    begun = time.monotonic()
    losses = [trainer.step(data)[0] for _ in range(3)]
    _wait(losses)
    started = time.monotonic()
    losses += [trainer.step(data)[0] for _ in range(steps)]
    _wait(losses)
    seconds = time.monotonic() - started
    typer.echo(
        f"{params.encoder.backbone}, {side} px, batch {count}, {target}, compile {params.compile}: "
        f"first 3 steps {started - begun:.1f} s, then {steps * count / seconds:.0f} products/s, "
        f"loss {float(losses[0]):.2f} to {float(losses[-1]):.2f}"
    )
    if target.type == "cuda":
        typer.echo(f"peak memory {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB")


def _wait(losses: list[torch.Tensor]) -> None:
    """Waits for the device, which works on while Python goes ahead."""
    if not torch.isfinite(torch.stack(losses)).all():
        raise SystemExit("a loss is not finite")


if __name__ == "__main__":
    run_app(app)
