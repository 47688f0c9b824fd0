"""Records a retraining in MLflow: params, lineage, metrics, pictures, and the model itself."""

import hashlib
import re
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from mlflow.data.pandas_dataset import from_pandas
from mlflow.entities import DatasetInput, InputTag
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_LOGGED_IMAGES
from PIL import Image

from flows.local.git import author_of, git
from flows.local.pipeline import load_stages, used_params
from flows.local.process import stream
from flows.local.project import Project
from flows.registry.metrics_figure import metrics_figure
from flows.registry.run_values import result_metrics, shown_params
from flows.registry.tracking import flatten, log_values
from ml.core.files import read_json, read_table
from ml.core.paths import EVALUATED, PREPARED, SNAPSHOT, TRAINED, VALIDATED
from ml.data.annotations import CORRECTION, SAMPLED, SUGGESTED

FILES = {  # file or folder of the checkout → folder of the run
    EVALUATED / "report.html": "",
    EVALUATED / "metrics.json": "",
    EVALUATED / "grouping.json": "",
    EVALUATED / "precision_recall.csv": "plots",
    EVALUATED / "sheets": "sheets",
    VALIDATED / "contract.json": "data_contract",
    VALIDATED / "quarantine.parquet": "data_contract",
    VALIDATED / "contract.html": "data_contract",
    TRAINED / "history.csv": "plots",
    Path("dvc.lock"): "lineage",
    Path("dvc.yaml"): "lineage",
    Path("params.yaml"): "lineage",
    Path("constraints.txt"): "lineage",
}
CARD = Path("mlflow/model_card.md.j2")
MODEL_LINE = re.compile(r"^model: (models:/\S+)$")


def flat_params(root: Path) -> dict[str, Any]:
    """Returns the params that the stages read, with names joined by dots.

    Args:
        root: top folder of the checkout.
    """
    return flatten(used_params(root, load_stages(root)))


def lineage_tags(root: Path, recipe: str, snapshot: str, dirty: bool) -> dict[str, str]:
    """Returns the tags that a version needs so that it can be made again.

    Args:
        root: top folder of the checkout.
        recipe: hash of the recipe.
        snapshot: id of the snapshot.
        dirty: whether the checkout holds uncommitted changes.
    """
    file = root / SNAPSHOT / "pairs.parquet"
    pairs = read_table(file) if file.is_file() else pd.DataFrame()
    lock = hashlib.sha256((root / "dvc.lock").read_bytes()).hexdigest()
    return {
        "commit": git(root, "rev-parse", "HEAD"),
        "branch": git(root, "symbolic-ref", "--short", "HEAD"),
        "snapshot": snapshot,
        "dvc_lock_sha256": lock,
        "recipe": recipe,
        "dirty": str(dirty).lower(),
        "author": author_of(root),
        "corrections": _count(pairs, CORRECTION),
        "annotations": _count(pairs, SUGGESTED, SAMPLED),
    }


def _count(pairs: pd.DataFrame, *origins: str) -> str:
    return str(int(pairs["origin"].isin(origins).sum()) if "origin" in pairs else 0)


def record(
    client: MlflowClient, run_id: str, model: str, root: Path, source: str, tags: dict[str, str]
) -> dict[str, Any]:
    """Logs everything about a finished pipeline to its run, and the metrics to its model too.

    To log it again changes nothing.

    Args:
        run_id: MLflow run id.
        model: URI of the logged model (models:/m-…).
        root: top folder of the checkout.
        source: folder or URL of the shop.
        tags: the lineage, see `lineage_tags`.

    Returns:
        The content of metrics.json.
    """
    metrics: dict[str, Any] = read_json(root / EVALUATED / "metrics.json")
    products = read_table(root / SNAPSHOT / "catalog.parquet")
    values = result_metrics(metrics) | {"snapshot.products": len(products)}
    params = shown_params(used_params(root, load_stages(root)))
    encoder = read_json(root / TRAINED / "encoder.json")
    begun = {name: encoder[name] for name in ("initial_weights_sha256", "weights_licence")}
    tags = tags | begun | {"mlflow.source.git.commit": tags["commit"]}
    log_values(client, run_id, model_id(model), values, params, tags)
    if metrics["evaluable"]:
        client.log_text(run_id, metrics_figure(metrics), "metrics.html")
    for file, folder in FILES.items():
        log = client.log_artifacts if (root / file).is_dir() else client.log_artifact
        log(run_id, str(root / file), folder or None)
    with warnings.catch_warnings():
        # MLflow warns that a folder fits several kinds of sources; all of them are the same here.
        warnings.simplefilter("ignore", UserWarning)
        digest = tags["snapshot"][:36]
        dataset = from_pandas(products, source=source, name="snapshot", digest=digest)
    run = client.get_run(run_id)
    if MLFLOW_LOGGED_IMAGES not in run.data.tags:
        log_mistakes(client, run_id, root)
    if not (run.inputs and run.inputs.dataset_inputs):
        context = InputTag("mlflow.data.context", "training")
        client.log_inputs(run_id, [DatasetInput(dataset._to_mlflow_entity(), [context])])
    return metrics


def log_mistakes(client: MlflowClient, run_id: str, root: Path) -> None:
    """Logs the worst mistakes on the test split as images, so that runs can be compared by them.

    Their step is the epoch that was kept. Those of the other epochs are not known: a trainer that
    embedded the test split after each epoch would be slower, and would have seen it.
    """
    epoch = read_json(root / TRAINED / "encoder.json")["epoch"]
    for kind in ("false_positives", "false_negatives"):
        with Image.open(root / EVALUATED / f"sheets/{kind}.png") as sheet:
            client.log_image(run_id, sheet, key=f"mistakes/{kind}", step=epoch)


def log_model(
    project: Project, client: MlflowClient, run_id: str, root: Path, log: Callable[[str], None]
) -> str:
    """Packages the model of a checkout in its run, unless the run has it already.

    Args:
        run_id: MLflow run id.
        root: top folder of the checkout.
        log: called with each line that the packaging prints, except warnings.

    Returns:
        URI of the logged model (models:/m-…).

    Raises:
        CommandError: the packaging crashed.
    """
    outputs = client.get_run(run_id).outputs
    if outputs and outputs.model_outputs:
        return f"models:/{outputs.model_outputs[0].model_id}"
    lines: list[str] = []

    def keep(line: str) -> None:
        lines.append(line)
        if "WARNING" not in line and line.strip():
            log(line)

    command = [sys.executable, "-m", "flows.registry.package", run_id]
    stream(command, root, keep, environment={"MLFLOW_TRACKING_URI": project.mlflow_uri})
    return next(match.group(1) for line in reversed(lines) if (match := MODEL_LINE.match(line)))


def model_id(uri: str) -> str:
    """Returns the id of a logged model, from its URI (models:/m-…)."""
    return uri.removeprefix("models:/")


def model_card(root: Path, production: str, metrics: dict[str, Any], tags: dict[str, str]) -> str:
    """Renders the model card as Markdown.

    Args:
        root: top folder of the checkout that made the model.
        production: name of the production model.
        metrics: the content of metrics.json.
        tags: of the version, see `lineage_tags`.

    Raises:
        jinja2.UndefinedError: the template uses a name that it is not given.
    """
    environment = jinja2.Environment(
        trim_blocks=True, autoescape=False, undefined=jinja2.StrictUndefined
    )
    template = environment.from_string((root / CARD).read_text(encoding="utf-8"))
    products = len(read_table(root / PREPARED / "products.parquet"))
    card = template.render(
        metrics=metrics,
        params=flat_params(root),
        tags=tags,
        production=production,
        products=products,
    )
    return unwrapped(card)


def unwrapped(text: str) -> str:
    """Puts each paragraph of Markdown on one line, since MLflow's page shows its line ends."""
    paragraphs = re.split(r"\n{2,}", text.strip())
    lines = (one if one.startswith("|") else " ".join(one.split("\n")) for one in paragraphs)
    return "\n\n".join(lines) + "\n"
