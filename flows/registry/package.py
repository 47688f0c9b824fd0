"""Packages the model of a checkout as an MLflow model of a run.

`python -m flows.registry.package RUN` does it, in the checkout. It is a process of its own with the
checkout first on the path, so that the code that is registered with the model is the code that made
it.
"""

import base64
import shutil
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.types.schema import AnyType, ColSpec, ParamSchema, ParamSpec, Schema

from ml.core.files import read_json, read_table
from ml.core.paths import EVALUATED, PREPARED, SNAPSHOT, TRAINED
from ml.data.schema import BLOCK
from ml.model.encoder import load_encoder
from ml.serve.limits import Limits
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
)
ROOMS = ("core", "data", "model", "grouping", "prepare", "serve")  # of ml/, for serving
UNSERVED = (  # modules of these rooms that serving does not import
    *("__main__.py", "stage.py", "command.py", "paths.py", "device.py"),
    *("annotations.py", "box_sheet.py", "masked_crop.py", "matching.py", "pretrained.py"),
    *("spreadsheet.py", "whitening.py", "disk_space.py", "reasons.py"),
)
EXAMPLES = 2  # products in the input example
COMPARED = 32  # products whose embeddings by ONNX Runtime and by torch are compared


def package(run_id: str) -> str:
    """Logs the model of the checkout in the current folder to a run; returns its URI (models:/m-…).

    Args:
        run_id: MLflow run id.
    """
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
            **served_with(model, code),
            input_example=example(),
            pip_requirements=[
                f"{name}=={version(name).partition('+')[0]}" for name in REQUIREMENTS
            ],
        )
    return str(info.model_uri)


def served_with(model: Path, code: Path) -> dict[str, Any]:
    """Returns what MLflow needs to serve a model: code, files, signature and limits.

    Args:
        model: the folder of the model's files (see `ml.serve.predictor.Predictor`).
        code: the folder of `copy_rooms`.
    """
    return {
        "python_model": "mlflow/serving.py",
        "artifacts": {"model": str(model)},
        "code_paths": [str(code)],
        "signature": signature(),
        "model_config": Limits().model_dump(),
    }


def copy_rooms(code: Path) -> None:
    """Copies the rooms of `ml` that serving imports into a new folder.

    The code of training, of evaluation, of pages and of the generated shop stays behind, and so do
    the modules `UNSERVED`.
    """
    left = shutil.ignore_patterns("__pycache__", *UNSERVED)
    code.mkdir()
    shutil.copy("ml/__init__.py", code)
    for room in ROOMS:
        shutil.copytree(f"ml/{room}", code / room, ignore=left)


def add_onnx(model: Path) -> None:
    """Adds encoder.onnx to the model's folder.

    If the encoder cannot be exported, it prints why. Torch then serves the model.

    Args:
        model: folder with encoder.safetensors and encoder.json.
    """
    pictures = np.load(PREPARED / "images.npy", mmap_mode="r")[:COMPARED]
    try:
        difference = export_encoder(load_encoder(model)[0], model / "encoder.onnx", pictures)
    except NotExportable as error:
        print(f"the model will be served by torch: {error}")
    else:
        print(f"encoder.onnx: its embeddings differ from torch's by at most {difference:.1g}")


def signature() -> ModelSignature:
    """Returns the model's signature: a table of products and two params in, groups out."""
    anything = AnyType()  # type: ignore[no-untyped-call]
    product_id = ColSpec(anything, "product_id", required=False)
    kinds = {"group": "string", "score": "double", "band": "string", "problem": "string"}
    return ModelSignature(
        inputs=Schema(
            [ColSpec(anything, "image"), *(ColSpec("string", name) for name in BLOCK), product_id]
        ),
        outputs=Schema(
            [product_id, *(ColSpec(kind, name, required=False) for name, kind in kinds.items())]
        ),
        params=ParamSchema(
            [ParamSpec("output", "string", "groups"), ParamSpec("threshold", "double", 0.0)]
        ),
    )


def example() -> pd.DataFrame:
    """Returns `EXAMPLES` products of the snapshot as an HTTP client sends them.

    Returns:
        product_id, brand, gender, article_type, and image (base64).
    """
    products = read_table(PREPARED / "products.parquet").head(EXAMPLES)
    table = products[["product_id", *BLOCK]].reset_index(drop=True)
    images = [
        base64.b64encode((SNAPSHOT / "images" / name).read_bytes()).decode()
        for name in products["sha256"]
    ]
    return table.assign(image=images)


if __name__ == "__main__":
    print(f"model: {package(sys.argv[1])}")
