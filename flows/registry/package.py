"""Packages the model of a checkout as an MLflow model of a run: `python -m flows.registry.package RUN`, in that checkout.

It runs in a process of its own with the checkout first on the path, so that the code which is
registered with the model is the code that made it.
"""

import base64
import shutil
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.types.schema import AnyType, ColSpec, ParamSchema, ParamSpec, Schema

from ml.core.files import read_json, read_table
from ml.core.paths import EVALUATED, PREPARED, SNAPSHOT, TRAINED
from ml.data.schema import BLOCK
from ml.model.encoder import load_encoder
from ml.serve.onnx_encoder import NotExportable, export_encoder

FILES = (TRAINED / "encoder.safetensors", TRAINED / "encoder.json", EVALUATED / "grouping.json")
REQUIREMENTS = (
    "mlflow",
    "numpy",
    "onnxruntime",
    "pandas",
    "pillow",
    "pyarrow",
    "pydantic",
    "pyyaml",
    "rich",
    "safetensors",
    "scikit-learn",
    "scipy",
    "timm",
    "torch",
    "torchvision",
    "typer",
)
ROOMS = (
    "core",
    "data",
    "model",
    "grouping",
    "pages",
    "prepare",
    "serve",
)  # of ml/: what `ml.serve` stands on
EXAMPLES = 2  # products in the input example
COMPARED = 32  # products on which ONNX Runtime and torch must agree


def package(run_id: str) -> str:
    """Logs the model to the run; returns its URI (models:/m-…)."""
    with tempfile.TemporaryDirectory() as folder, mlflow.start_run(run_id=run_id):
        model, code = Path(folder, "model"), Path(folder, "ml")
        model.mkdir()
        detects = read_json(PREPARED / "prepare.json")["localizer"] == "detector"
        for file in (*FILES, *([PREPARED / "detector.safetensors"] if detects else [])):
            shutil.copy(file, model)
        add_onnx(model)
        copy_rooms(code)
        info = mlflow.pyfunc.log_model(
            name="model",
            python_model="mlflow/serving.py",
            artifacts={"model": str(model)},
            code_paths=[str(code)],
            signature=signature(),
            input_example=example(),
            pip_requirements=[f"{name}=={version(name)}" for name in REQUIREMENTS],
        )
    return str(info.model_uri)


def copy_rooms(code: Path) -> None:
    """Copies of `ml` what serving imports into a new folder: not training, evaluation and the generated shop."""
    code.mkdir()
    shutil.copy("ml/__init__.py", code)
    for room in ROOMS:
        shutil.copytree(f"ml/{room}", code / room, ignore=shutil.ignore_patterns("__pycache__"))


def add_onnx(model: Path) -> None:
    """Adds encoder.onnx to the model's folder; where that cannot be, says why, and torch will serve the model."""
    pictures = np.load(PREPARED / "images.npy", mmap_mode="r")[:COMPARED]
    try:
        difference = export_encoder(load_encoder(model)[0], model / "encoder.onnx", pictures)
    except NotExportable as error:
        print(f"the model will be served by torch: {error}")
    else:
        print(f"encoder.onnx: its embeddings differ from torch's by at most {difference:.1g}")


def signature() -> ModelSignature:
    """What the model takes: a table of products, and how to answer."""
    image = ColSpec(AnyType(), "image")  # type: ignore[no-untyped-call]
    inputs = [image, *(ColSpec("string", name) for name in BLOCK)]
    return ModelSignature(
        inputs=Schema([*inputs, ColSpec("string", "product_id", required=False)]),
        outputs=Schema(
            [ColSpec("string", "group"), ColSpec("double", "score"), ColSpec("string", "problem")]
        ),
        params=ParamSchema(
            [ParamSpec("output", "string", "groups"), ParamSpec("threshold", "double", 0.0)]
        ),
    )


def example() -> pd.DataFrame:
    """A few products of the snapshot, their pictures as base64, as an HTTP client sends them."""
    products = read_table(PREPARED / "products.parquet").head(EXAMPLES)
    table = products[["product_id", *BLOCK]].reset_index(drop=True)
    images = [
        base64.b64encode((SNAPSHOT / "images" / name).read_bytes()).decode()
        for name in products["sha256"]
    ]
    return table.assign(image=images)


if __name__ == "__main__":
    print(f"model: {package(sys.argv[1])}")
