"""The serving check: serves a candidate over HTTP and asks it about canary products."""

import base64
import json
import os
import statistics
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.entities.model_registry import ModelVersion

from flows.local.process import program_path
from flows.local.project import Project
from flows.local.requirements import differing_versions
from flows.local.scratch import scratch
from flows.local.servers import free_port, running
from flows.registry.versions import uri_of
from ml.core.errors import UserError
from ml.core.files import read_json, read_table
from ml.core.paths import EMBEDDED, EVALUATED, PREPARED, SNAPSHOT
from ml.data.blocks import block_numbers, relative_to_block
from ml.data.schema import BLOCK
from ml.promote.evidence import Serving
from ml.promote.policy import ServingPolicy
from ml.serve.limits import Limits

LIMITS = Limits()  # of a model as it is packaged
ROUNDS = 5  # requests whose median is the latency


@dataclass(frozen=True)
class Canaries:
    """Canary products of the test split, and their embeddings by the stage `embed`.

    Attributes:
        table: image (base64), brand, gender, article_type.
        embeddings: float32 (products, size), relative to the blocks of this table, each of length
            1.
    """

    table: pd.DataFrame
    embeddings: np.ndarray


def pick_canaries(root: Path, count: int) -> Canaries:
    """Picks the first `count` products of the test split by product id.

    So the canary products stay the same as long as the shop sells them. Those whose pictures a
    request cannot hold beside the others' (see `ml.serve.limits`) are passed over.

    Args:
        root: the checkout with the candidate's snapshot and the stages' results.
    """
    products = read_table(root / PREPARED / "products.parquet").reset_index(drop=True)
    test = products[products["split"] == "test"].sort_values("product_id")
    room = LIMITS.request_bytes // 2  # base64 and the other columns take the rest
    images: dict[Any, str] = {}
    for place, name in test["sha256"].items():
        if len(images) == min(count, LIMITS.request_rows):
            break
        file = root / SNAPSHOT / "images" / name
        size = file.stat().st_size
        if size <= min(room, LIMITS.picture_bytes):
            room -= size
            images[place] = base64.b64encode(file.read_bytes()).decode()
    chosen = test.loc[list(images)]
    recorded = np.load(root / EMBEDDED / "embeddings.npy", mmap_mode="r")[chosen.index]
    prior = read_json(root / EVALUATED / "grouping.json")["block_prior"]
    return Canaries(
        chosen[BLOCK].assign(image=list(images.values())),
        relative_to_block(recorded, block_numbers(chosen), prior),
    )


def try_serving(
    project: Project,
    policy: ServingPolicy,
    root: Path,
    candidate: ModelVersion,
    log: Callable[[str], None],
) -> Serving:
    """Serves a candidate on loopback with `mlflow models serve` and asks it about canary products.

    Args:
        policy: the section `gate.serving` of the policy.
        root: the checkout with the candidate's snapshot and the stages' results.
        log: called with a line for each step.

    Returns:
        The result; a server that fails is a `problem` in it, and raises nothing.
    """
    uri, canaries = uri_of(candidate), pick_canaries(root, policy.canaries)
    log(f"{uri} is served on loopback and asked about {len(canaries.table)} canary products")
    with scratch(project, "serving") as folder:
        model = Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(folder)))
        size = sum(file.stat().st_size for file in model.rglob("*") if file.is_file()) / 1e6
        differing = differing_versions((model / "requirements.txt").read_text(encoding="utf-8"))
        port = free_port()
        command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", str(model)]
        command += ["--env-manager", "local"]
        command += ["--host", "127.0.0.1", "--port", str(port)]
        log_file = Path(folder, "serving.log")
        # MLflow looks for uvicorn on PATH.
        own = {"MLFLOW_TRACKING_URI": project.mlflow_uri, "PATH": program_path()}
        try:
            with running(command, log_file, os.environ | own, f"http://127.0.0.1:{port}/ping"):
                answer, milliseconds = ask(f"http://127.0.0.1:{port}/invocations", canaries.table)
        except (UserError, OSError, ValueError, KeyError) as error:
            return Serving(str(error), differing, None, None, size)
    if answer.shape != canaries.embeddings.shape:
        problem = (
            f"its answer has the shape {answer.shape} (products, size), but the recorded "
            f"embeddings have {canaries.embeddings.shape}"
        )
        return Serving(problem, differing, None, milliseconds, size)
    difference = float(np.abs(answer - canaries.embeddings).max())
    return Serving(None, differing, difference, milliseconds, size)


def ask(address: str, table: pd.DataFrame) -> tuple[np.ndarray, float]:
    """Asks a server `ROUNDS` times for the embeddings of the same products.

    Args:
        address: URL that takes predictions.
        table: image (base64), brand, gender, article_type.

    Returns:
        The embeddings, float32 (products, size), and the milliseconds that one product takes,
        median over the requests.

    Raises:
        OSError: the server does not answer, or answers with an error.
        ValueError, KeyError: the answer holds no predictions.
    """
    body: dict[str, Any] = {
        "dataframe_split": table.to_dict("split", index=False),
        "params": {"output": "embeddings"},
    }
    request = urllib.request.Request(
        address, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    seconds, found = [], pd.DataFrame()
    for _ in range(ROUNDS):
        started = time.monotonic()
        with urllib.request.urlopen(request, timeout=120) as answer:
            found = pd.DataFrame(json.load(answer)["predictions"])
        seconds.append(time.monotonic() - started)
    return found.to_numpy(np.float32), statistics.median(seconds) / len(table) * 1000
