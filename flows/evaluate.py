"""`variants evaluate`: any registered model, run or baseline on any shop with pairs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient

from flows.local.project import Project
from flows.local.temporary_import import borrowed
from flows.registry.remote_predict import Log, embed_with
from flows.registry.tracking import connect
from flows.registry.versions import (
    CHALLENGER,
    CHAMPION,
    find_version,
    grouping_of,
    model_file,
    policy_of,
    uri_of,
    version_by_alias,
)
from ml.core.errors import UserError
from ml.core.files import read_json
from ml.core.params import load_params
from ml.data.annotations import build_annotations
from ml.data.blocks import block_mates
from ml.data.images import UnreadablePicture, decode
from ml.data.split import split_of
from ml.evaluate.baselines import BASELINES
from ml.evaluate.bootstrap import Resamples
from ml.evaluate.evaluation import Evaluation
from ml.evaluate.params import EvaluateParams
from ml.grouping.grouping import ClusteringName
from ml.prepare.crop import CropParams, crop_product, with_weights


@dataclass(frozen=True)
class Judged:
    """What is to be evaluated.

    Attributes:
        version: the registered version, or None for a baseline.
        clustering: how its products are grouped, and those of the baselines beside it.
        threshold, baselines: thresholds (1 − cosine) stored with the model: its own, and those of
            the baselines.
        crop: how pictures are cropped for the baselines: as for the model, so that all see the same
            resolution.
    """

    name: str
    version: ModelVersion | None
    clustering: ClusteringName
    threshold: float
    baselines: dict[str, float]
    crop: CropParams


def evaluate(
    project: Project, model: str, source: str, split: str | None, log: Log
) -> dict[str, Any]:
    """All figures of a model on the annotated pairs of a shop, beside the baselines.

    Args:
        model: models:/NAME/VERSION, models:/NAME@ALIAS, an MLflow run id, or the name of a
            baseline.
        split: "train", "dev" or "test" for the brands of one split only; None for all.

    Returns:
        {"model", "source", "pairs" (usable), "threshold", "metrics": {figure: {"value", "low",
        "high"}}, "baselines": {name: the same}}. Pairs marked `low` are left out.

    Raises:
        UserError: no such model or shop, or a shop without enough usable pairs.
    """
    params = load_params("evaluate", EvaluateParams, project.root / "params.yaml")
    judged = find_judged(connect(project), project, model, params)
    with borrowed(project, source) as shop:
        if shop.pairs is None:
            raise UserError(
                f"the shop '{source}' has no pairs.csv or pairs.parquet: there is nothing to evaluate against"
            )
        products = shop.products
        if split:
            products = products[products["brand"].map(split_of) == split].reset_index(drop=True)
        annotations = build_annotations(products, shop.pairs)
        whole_blocks = products.iloc[block_mates(products, annotations.indices)]
        kept, crops = crop_annotated(products.iloc[annotations.indices], judged.crop, log)
        annotations = build_annotations(kept, shop.pairs)
        if not annotations.complete:
            raise UserError(
                f"the shop '{source}' cannot be evaluated{f' on its {split} split' if split else ''}: it needs usable "
                "annotated pairs of both kinds, variants and other designs of one block"
            )
        kept, crops = (
            kept.iloc[annotations.indices].reset_index(drop=True),
            crops[annotations.indices],
        )
        names = [name for name in BASELINES if name != judged.name]
        if judged.version:
            log(f"{uri_of(judged.version)} looks at {len(whole_blocks)} products")
            place = pd.Index(whole_blocks["product_id"]).get_indexer(pd.Index(kept["product_id"]))
            embeddings = embed_with(project, uri_of(judged.version), whole_blocks, log)[place]
        else:
            embeddings = BASELINES[judged.name](crops)
        resamples = Resamples(annotations, params.resamples, params.seed)
        metrics = Evaluation(embeddings, resamples, judged.clustering).metrics(judged.threshold)
        baselines = {}
        for name in names:
            log(f"baseline {name}")
            threshold = judged.baselines.get(name, params.default_threshold)
            beside = Evaluation(BASELINES[name](crops), resamples, judged.clustering)
            baselines[name] = beside.metrics(threshold)
    return {
        "model": model,
        "source": source,
        "pairs": annotations.usable,
        "threshold": judged.threshold,
        "metrics": metrics,
        "baselines": baselines,
    }


def find_judged(
    client: MlflowClient, project: Project, model: str, params: EvaluateParams
) -> Judged:
    """Looks up what `model` names; baselines are grouped as beside the champion, or beside the newest candidate."""
    names = policy_of(project).models
    if model in BASELINES:
        version = version_by_alias(client, names.production, CHAMPION)
        version = version or version_by_alias(client, names.candidates, CHALLENGER)
        stored = (
            grouping_of(client, version)
            if version
            else {"method": params.grouping, "baselines": {}}
        )
        threshold = stored["baselines"].get(model, params.default_threshold)
        crop = load_params("prepare", CropParams, project.root / "params.yaml")
        return Judged(model, None, stored["method"], threshold, stored["baselines"], crop)
    if model.startswith("models:/"):
        version = find_version(client, model)
    else:
        run_id = model.removeprefix("runs:/").split("/")[0]
        found = client.search_model_versions(f"run_id = '{run_id}'") if run_id.isalnum() else []
        if not found:
            raise UserError(
                f"'{model}' is no model, no run with a registered model and no baseline: give models:/{names.production}"
                f"@{CHAMPION}, models:/{names.candidates}/VERSION, the id of a run, or one of {', '.join(BASELINES)}"
            )
        version = found[0]
    crop = _crop_of(client, version)
    stored = grouping_of(client, version)
    return Judged(model, version, stored["method"], stored["threshold"], stored["baselines"], crop)


def crop_annotated(
    products: pd.DataFrame, how: CropParams, log: Log
) -> tuple[pd.DataFrame, np.ndarray]:
    """Crops for the baselines: the products whose pictures can be read, and uint8 (products, side, side, 3)."""
    crops, readable = [np.zeros((0, how.side, how.side, 3), np.uint8)], []
    for name, image, kind in zip(
        products["product_id"], products["image"], products["article_type"], strict=True
    ):
        try:
            picture = decode(Path(image).read_bytes() if isinstance(image, str) else None)
            crops.append(crop_product(picture, how, article_type=kind)[0][None])
            readable.append(True)
        except UnreadablePicture as problem:
            log(f"warning: product {name} is left out: {problem}")
            readable.append(False)
    return products[readable].reset_index(drop=True), np.concatenate(crops)


def _crop_of(client: MlflowClient, version: ModelVersion) -> CropParams:
    """How the model crops, which it holds itself."""
    how = CropParams(**read_json(model_file(client, version, "encoder.json"))["prepare"])
    if how.localizer != "detector":
        return how
    return with_weights(how, model_file(client, version, "detector.safetensors"))
