"""Embedding speed in products per second, from JPEG files to embeddings.

It compares this project with the plain PyTorch loop, and ONNX Runtime with torch. The loop is what
people write: a Dataset that opens files with Pillow, a DataLoader, and `model(batch)` under
`no_grad`, without a memory format or allocator settings. It crops as this project does, since
products would otherwise be embedded differently. All other contestants are this project's
`Predictor` with one network or another.

Each contestant has its own process, because glibc's settings for memory hold for a whole process.
The contestants take turns, so that a slow moment of the machine affects all of them. Speeds are
medians over the rounds, and ratios are medians of the rounds' ratios. Embeddings are those of the
warm-up; their differences are to torch as the stage `embed` runs it.
"""

import copy
import statistics
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import torch
import typer
import yaml
from PIL import Image
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.utils.data import DataLoader, Dataset

from benchmarks.checkout import ROOT, WORK, commit, shop_images
from benchmarks.turns import Contestant, race, ratio
from ml.core.command import run_app
from ml.core.device import exact
from ml.core.errors import UserError
from ml.core.files import write_json
from ml.data.images import FORMATS, decode
from ml.model.embedding import BATCH, embed_pictures, set_whitening
from ml.model.encoder import Encoder, EncoderParams, load_encoder, load_state, save_encoder
from ml.prepare.crop import CropParams, crop_picture
from ml.serve.onnx_encoder import export_encoder
from ml.serve.predictor import Predictor

OUT = Path(__file__).with_name("embedding.json")
# The model is centered on the mean of this many products, as a trained one is: this makes
# differences between embeddings larger.
CENTERED = 32
# Fewer products than for whitening wholly: so many numbers are kept, as of a large shop.
NUMBERS = 512
BEFORE = {"slices": "quadrants", "mirror": True, "whitening": 0}  # the default until whitening
COMPARED = ("difference", "cosine_distance")
Embed = Callable[[], np.ndarray]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class Job(NamedTuple):
    """The input of every contestant."""

    files: list[Path]
    model: Path
    size: int
    threads: int


@app.command()
def main(
    source: Annotated[
        str, typer.Option(help="Folder of pictures; default a generated shop's.")
    ] = "",
    products: Annotated[int, typer.Option(help="How many pictures, at most.")] = 256,
    size: Annotated[int, typer.Option(help="Pixels a side.")] = 192,
    threads: Annotated[int, typer.Option(help="CPU threads of the network.")] = 2,
    rounds: Annotated[int, typer.Option(help="How often the contestants take turns.")] = 5,
) -> None:
    """Measures, prints a table and writes benchmarks/embedding.json."""
    files = pictures(source)[:products]
    job = Job(files, WORK / "embedding-model", size, threads)
    make_model(job)
    table = compare(job, rounds)
    print("| | products/s | × the faster loop | largest difference | largest 1 − cosine |")
    print("|---|---|---|---|---|")
    for name, result in table.items():
        print(
            f"| {name} | {result['products_per_second']:.0f} | {result['to_loop']:.2f} | "
            + " | ".join("" if result[one] is None else f"{result[one]:.1g}" for one in COMPARED)
            + " |"
        )
    settings = {
        "source": source or "generated shop",
        "products": len(files),
        "size": size,
        "threads": threads,
    }
    write_json(
        OUT,
        {
            "commit": commit(),
            "machine": processor(),
            **settings,
            "rounds": rounds,
            "contestants": table,
        },
    )


def compare(job: Job, rounds: int) -> dict[str, dict[str, float | None]]:
    """Measures each contestant.

    Returns:
        For each contestant: products_per_second, to_loop (ratio to the faster loop), difference
        (largest of two numbers of an embedding, to torch) and cosine_distance (largest 1 − cosine,
        to torch).
    """
    contestants = {name: Contestant(partial(compete, name, job), warmup=1) for name in CONTESTANTS}
    found = {name: contestant.answer for name, contestant in contestants.items()}
    seconds = race(contestants, rounds, steps=1)
    loop = min(LOOPS, key=lambda name: statistics.median(seconds[name]))
    return {
        name: {
            "products_per_second": len(job.files) / statistics.median(own),
            "to_loop": ratio(seconds[loop], own),
            **differences(found[name], found[REFERENCE]),
        }
        for name, own in seconds.items()
    }


def differences(embeddings: np.ndarray, others: np.ndarray) -> dict[str, float | None]:
    """Compares the embeddings of two networks; None each where they have not the same params."""
    if embeddings.shape != others.shape:
        return {"difference": None, "cosine_distance": None}
    return {
        "difference": float(np.abs(embeddings - others).max()),
        "cosine_distance": cosine_distance(embeddings, others),
    }


def cosine_distance(embeddings: np.ndarray, others: np.ndarray) -> float:
    """Returns the largest 1 − cosine of two embeddings of one product.

    Args:
        embeddings, others: float32 (products, size). Their lengths are 1 only to 1e-7, so that the
            computation is in float64.
    """
    left, right = (
        each / np.linalg.norm(each, axis=1, keepdims=True)
        for each in (embeddings.astype(float), others.astype(float))
    )
    return max(0.0, float((1 - (left * right).sum(axis=1)).max()))


def compete(name: str, job: Job) -> Embed:
    """Makes a contestant, in its own process."""
    torch.set_num_threads(job.threads)
    return CONTESTANTS[name](job)


def current(job: Job) -> Path:
    """Returns the folder of the model with today's params."""
    return job.model


def before(job: Job) -> Path:
    """Returns the folder of the model with `BEFORE`."""
    return job.model.with_name(f"{job.model.name}-before")


class Files(Dataset[Tensor]):
    """Pictures as float32 (3, size, size) in 0 … 1."""

    def __init__(self, job: Job) -> None:
        self.files = job.files
        self.how = crop_params(job)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, place: int) -> Tensor:
        picture = np.asarray(Image.open(self.files[place]).convert("RGB"))
        crop = crop_picture(picture, self.how, article_type="")
        return torch.from_numpy(crop.copy()).permute(2, 0, 1).contiguous().float() / 255


class PlainEncoder(Encoder):
    """The same network in torch's default memory format."""

    def _features(self, prepared: Tensor) -> Tensor:
        return self.backbone.forward_features(prepared)  # type: ignore[operator]


def loop(workers: int, job: Job) -> Embed:
    """Makes the plain loop; its workers, if any, are kept between turns."""
    trained = load_encoder(job.model)[0]
    model = PlainEncoder(trained.params.model_copy(update={"weights": "random"}))
    load_state(model, trained.state_dict())
    model = model.to(memory_format=torch.contiguous_format).eval()
    loader = DataLoader(
        Files(job), batch_size=BATCH, num_workers=workers, persistent_workers=workers > 0
    )

    def embed() -> np.ndarray:
        with torch.no_grad():
            return torch.cat([model(batch) for batch in loader]).numpy()

    return embed


def ours(
    change: Callable[[Predictor, Job], None], job: Job, model: Callable[[Job], Path] = current
) -> Embed:
    """Makes this project's predictor with another network."""
    predictor = Predictor(model(job))
    change(predictor, job)
    return lambda: (
        predictor.embed((file.read_bytes() for file in job.files), [""] * len(job.files)).embeddings
    )


def onnx_network(predictor: Predictor, job: Job) -> None:
    """ONNX Runtime, as models are served."""


def torch_network(predictor: Predictor, job: Job) -> None:
    """torch in channels_last, as in the stage `embed`."""
    predictor.embed_crops = partial(embed_pictures, load_encoder(job.model)[0])


def folded_network(predictor: Predictor, job: Job) -> None:
    """torch, with batch normalisation folded into the convolutions before it."""
    predictor.embed_crops = partial(embed_pictures, folded(load_encoder(job.model)[0]))


def bfloat16_network(predictor: Predictor, job: Job) -> None:
    """torch with convolutions in bfloat16, which changes the embeddings."""
    torch_network(predictor, job)
    exact_embed = predictor.embed_crops

    def embed(crops: np.ndarray) -> np.ndarray:
        with torch.autocast("cpu", torch.bfloat16):
            return exact_embed(crops)

    predictor.embed_crops = embed


LOOPS = ("DataLoader loop, no workers", "DataLoader loop, 2 workers")
REFERENCE = "ours, torch"
WHOLE_GARMENT = "ours, ONNX Runtime, quadrants and mirrored, not whitened (as before)"
CONTESTANTS: dict[str, Callable[[Job], Embed]] = {
    LOOPS[0]: partial(loop, 0),
    LOOPS[1]: partial(loop, 2),
    REFERENCE: partial(ours, torch_network),
    "ours, torch, batch normalisation folded": partial(ours, folded_network),
    "ours, torch, bfloat16": partial(ours, bfloat16_network),
    "ours, ONNX Runtime (as served)": partial(ours, onnx_network),
    WHOLE_GARMENT: partial(ours, onnx_network, model=before),
}


def folded(encoder: Encoder) -> Encoder:
    """Returns an encoder whose convolutions include the batch normalisations.

    Those of timm also hold the activation, which stays.
    """
    encoder = copy.deepcopy(encoder)
    for parent in list(encoder.modules()):
        for (before, convolution), (name, norm) in pairwise(list(parent.named_children())):
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, _BatchNorm):
                setattr(parent, before, fuse_conv_bn_eval(convolution, norm))
                setattr(parent, name, getattr(norm, "act", nn.Identity()))
    return encoder.to(memory_format=torch.channels_last)


def pictures(source: str) -> list[Path]:
    """Returns the pictures of a folder and its subfolders, or of a generated shop.

    Raises:
        UserError: the folder has no pictures.
    """
    folder = Path(source) if source else shop_images()
    endings = {".jpg", *(f".{name.lower()}" for name in FORMATS)}
    found = sorted(file for file in folder.rglob("*") if file.suffix.lower() in endings)
    if not found:
        raise UserError(f"there are no pictures in {folder}")
    return found


def make_model(job: Job) -> None:
    """Writes the folders of two models with ImageNet weights: today's params, and `BEFORE`.

    They have the form that `flows.registry.package` gives it.
    """
    exact(job.threads)
    content: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    how = crop_params(job)
    crops = np.stack(
        [
            crop_picture(decode(file.read_bytes()), how, article_type="")
            for file in job.files[:CENTERED]
        ]
    )
    for folder, changes in ((current(job), {}), (before(job), BEFORE)):
        params = EncoderParams.model_validate({**content["train"]["encoder"], **changes})
        encoder = Encoder(params).to(memory_format=torch.channels_last)
        set_whitening(encoder, crops)
        if encoder.projection is not None:
            encoder.projection = encoder.projection[:, :NUMBERS].contiguous()
        save_encoder(encoder, {"prepare": how.model_dump()}, folder)
        write_json(
            folder / "grouping.json",
            {
                "threshold": 0.2,
                "method": "average",
                "block_prior": 20,
                "calibration": None,
                "publish": None,
            },
        )
        export_encoder(encoder, folder / "encoder.onnx", crops)


def crop_params(job: Job) -> CropParams:
    """Returns the crop of all contestants."""
    return CropParams.model_validate({"side": job.size, "localizer": "foreground"})


def processor() -> str:
    """Returns the processor's name and the number of its cores."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    ]
    return f"{len(names)} × {names[0]}"


if __name__ == "__main__":
    run_app(app)
