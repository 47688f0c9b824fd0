"""`variants evaluate`: measures a registered model or a baseline on any shop with pairs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient

from flows.local.project import Project
from flows.local.temporary_import import ShopTable, borrowed
from flows.registry.model_files import grouping_of, model_file, unusable
from flows.registry.outside_move import notice
from flows.registry.remote_predict import Log, embed_with
from flows.registry.tracking import connect
from flows.registry.versions import (
    CHALLENGER,
    CHAMPION,
    find_version,
    policy_of,
    uri_of,
    version_by_alias,
)
from ml.core.errors import UserError
from ml.core.files import read_json
from ml.core.params import load_params
from ml.data.annotations import Annotations, build_annotations, without_selected
from ml.data.blocks import block_mates
from ml.data.images import UnreadablePicture, decode_product, placeholders
from ml.evaluate.baselines import BASELINES, embed_baselines
from ml.evaluate.bootstrap import Resamples
from ml.evaluate.complete_blocks import CompleteBlocks, build_complete_blocks
from ml.evaluate.complete_evaluation import complete_metrics
from ml.evaluate.evaluation import Evaluation
from ml.evaluate.metric_words import Interval
from ml.evaluate.params import EvaluateParams
from ml.grouping.calibration import Calibration
from ml.grouping.grouping import ClusteringName
from ml.prepare.crop import CropParams, crop_picture, with_weights
from ml.validate.complete_blocks import complete_blocks
from ml.validate.contradictions import contradicts
from ml.validate.split import choose_split_by, split_products


@dataclass(frozen=True)
class Judged:
    """The model or baseline that is to be evaluated.

    Attributes:
        name: as the user gave it.
        version: the registered version; None for a baseline.
        clustering: how products become groups, by the model and by the baselines beside it.
        threshold: threshold (1 − cosine) of the model or baseline.
        baselines: name → threshold (1 − cosine) of each baseline, as stored with the model.
        crop: how pictures are cropped for the baselines. It is the model's, so that all of them get
            the same resolution.
        split_by: what the model's own shop was split by; None for a baseline without a model.
        calibration, publish: of the model's scores, see `ml.evaluate.complete_evaluation`; None for
            a baseline, for a model whose shop had no annotated pairs, and for those from before
            scores were corrected for the base rate.
    """

    name: str
    version: ModelVersion | None
    clustering: ClusteringName
    threshold: float
    baselines: dict[str, float]
    crop: CropParams
    split_by: str | None
    calibration: Calibration | None = None
    publish: float | None = None


def evaluate(
    project: Project,
    model: str,
    source: str,
    split: str | None,
    log: Log,
    columns: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Computes all metrics of a model on the annotated pairs of a shop, beside the baselines.

    Where a shop has complete blocks, the metrics of these come too.

    Pairs marked `low` are left out, and so are products whose picture cannot be read.

    Args:
        model: models:/NAME/VERSION, models:/NAME@ALIAS, an MLflow run id, or the name of a
            baseline.
        source: folder or fsspec URL of the shop.
        split: "train", "dev" or "test" for the products of one split only; None for all.
        log: called with a line for each step.
        columns: the shop's names of columns → the format's (see `ml.snapshot.description`).

    Returns:
        {"model", "source", "pairs": number of usable pairs, "threshold" (1 − cosine), "metrics":
        {metric: {"value", "low", "high"}}, "baselines": {name: the same}, "complete_blocks": None,
        or "blocks", "products", "pairs", "variants" (numbers), "metrics" and "baselines" likewise}.
        Without usable pairs of both kinds "metrics" and "baselines" are empty.

    Raises:
        UserError: there is no such model or shop, or the shop has neither enough usable pairs nor
            complete blocks.
    """
    params = load_params("evaluate", EvaluateParams, project.root / "params.yaml")
    client = connect(project)
    judged = find_judged(client, project, model, params)
    outside = notice(project, client, policy_of(project).models)
    if outside:
        log(f"warning: {outside}")
    with borrowed(project, source, columns) as shop:
        pairs = _pairs_of(shop, source)
        catalog = products = without_placeholders(shop.products, log)
        if split:
            by = judged.split_by or choose_split_by(products)
            products = products[split_products(products, by) == split].reset_index(drop=True)
        named = np.array(products["product_id"].isin(shop.blocks["product_id"]), bool)
        named[build_annotations(products, pairs).indices] = True
        asked = products.loc[named, "product_id"]
        # A block lies in several splits, too, where brands are not what is split.
        mates = block_mates(catalog, np.flatnonzero(catalog["product_id"].isin(asked)))
        kept, crops = crop_annotated(products[named], judged.crop, log)
        annotations = build_annotations(kept, pairs)
        unread = set(asked) - set(kept["product_id"])
        complete = _complete_of(shop, catalog[~catalog["product_id"].isin(unread)], kept)
        if not annotations.complete and complete is None:
            where = f"on the {split} split of '{source}'" if split else f"on '{source}'"
            raise UserError(
                f"nothing can be evaluated {where}: this needs usable annotated pairs of both "
                "kinds, variants and other designs of one block, or complete blocks with both; add "
                "such pairs to pairs.csv"
            )
        embeddings = None
        if judged.version:
            log(f"{uri_of(judged.version)} embeds {len(mates)} products")
            found = embed_with(project, uri_of(judged.version), catalog.iloc[mates], log)
            place = pd.Index(catalog["product_id"].iloc[mates]).get_indexer(kept["product_id"])
            embeddings = found[place]
        else:
            log(f"baseline {judged.name}")
        shown = _Shown(crops, embeddings)
        on_pairs = (
            _on_pairs(judged, annotations, shown.of(annotations.indices), params, log)
            if annotations.complete
            else {"metrics": {}, "baselines": {}}
        )
        on_blocks = (
            complete.facts() | _on_blocks(judged, complete, shown.of(complete.indices), params)
            if complete
            else None
        )
    return {
        "model": model,
        "source": source,
        "pairs": annotations.usable,
        "threshold": judged.threshold,
        **on_pairs,
        "complete_blocks": on_blocks,
    }


class _Shown(NamedTuple):
    """Products that are measured: their crops, and what the model made of them.

    Attributes:
        crops: uint8 (products, side, side, 3).
        embeddings: float (products, size); None if a baseline is measured.
    """

    crops: np.ndarray
    embeddings: np.ndarray | None

    def of(self, places: np.ndarray) -> "_Shown":
        """Returns some of the products."""
        found = self.embeddings
        return _Shown(self.crops[places], None if found is None else found[places])

    def embedded_by(self, judged: Judged) -> np.ndarray:
        """Returns the embeddings by the model or baseline: float (products, size)."""
        return BASELINES[judged.name](self.crops) if self.embeddings is None else self.embeddings


def _pairs_of(shop: ShopTable, source: str) -> pd.DataFrame:
    """Returns the pairs that may be measured on.

    Raises:
        UserError: there are neither pairs nor complete blocks, or pairs contradict one another.
    """
    if shop.pairs is None:
        if len(shop.blocks):
            return pd.DataFrame({"left": [], "right": [], "color_variants": []}, dtype=object)
        raise UserError(
            f"the shop '{source}' has no pairs.csv or pairs.parquet: an evaluation needs "
            "annotated pairs, or complete blocks (format: docs/data-format.md)"
        )
    pairs = without_selected(shop.pairs)
    against = pairs[contradicts(pairs)]
    if len(against):
        one = against.iloc[0]
        raise UserError(
            f"{len(against)} pairs of '{source}' contradict the others, such as {one['left']} "
            f"and {one['right']}: they are marked as different although a chain of positive "
            "pairs joins them; correct one of these pairs, or mark it low"
        )
    return pairs


def _complete_of(
    shop: ShopTable, usable: pd.DataFrame, kept: pd.DataFrame
) -> CompleteBlocks | None:
    """Returns the complete blocks of the products that are measured; None without both kinds.

    Args:
        usable: the catalogue without products whose picture cannot be read.
        kept: the products that are measured.
    """
    whole = complete_blocks(shop.blocks, usable, set(usable["product_id"]))
    found = build_complete_blocks(kept, whole, shop.unsure)
    return found if found.measurable else None


def _on_pairs(
    judged: Judged, annotations: Annotations, shown: _Shown, params: EvaluateParams, log: Log
) -> dict[str, Any]:
    """Measures a model and the baselines on annotated pairs: {"metrics", "baselines"}."""
    resamples = Resamples(annotations, params.resamples, params.seed)

    def measured(embeddings: np.ndarray, threshold: float) -> dict[str, Interval]:
        return Evaluation(embeddings, resamples, judged.clustering).metrics(threshold)

    metrics, baselines = measured(shown.embedded_by(judged), judged.threshold), {}
    names = [name for name in BASELINES if name != judged.name]
    for name, found in embed_baselines(shown.crops, names):
        log(f"baseline {name}")
        baselines[name] = measured(found, judged.baselines.get(name, params.default_threshold))
    return {"metrics": metrics, "baselines": baselines}


def _on_blocks(
    judged: Judged, complete: CompleteBlocks, shown: _Shown, params: EvaluateParams
) -> dict[str, Any]:
    """Measures a model and the baselines on complete blocks: {"metrics", "baselines"}.

    Metrics of scores and of published groups are of a model that has a calibration, alone.
    """

    how = judged.clustering
    own = shown.embedded_by(judged)
    metrics = complete_metrics(
        own, complete, how, judged.threshold, params, judged.calibration, judged.publish
    )
    names = [name for name in BASELINES if name != judged.name]
    baselines = {}
    for name, found in embed_baselines(shown.crops, names):
        threshold = judged.baselines.get(name, params.default_threshold)
        baselines[name] = complete_metrics(found, complete, how, threshold, params)
    return {"metrics": metrics, "baselines": baselines}


def find_judged(
    client: MlflowClient, project: Project, model: str, params: EvaluateParams
) -> Judged:
    """Looks up the model or baseline that `model` names.

    A baseline alone is grouped as beside the champion, or as beside the newest candidate if there
    is no champion whose model can be used.

    Args:
        model: as of `evaluate`.
        params: of an evaluation if nothing is registered yet.

    Raises:
        UserError: there is no such model, run or baseline.
    """
    names = policy_of(project).models
    if model in BASELINES:
        beside = (
            version_by_alias(client, names.production, CHAMPION),
            version_by_alias(client, names.candidates, CHALLENGER),
        )
        version = next((one for one in beside if one and not unusable(client, one)), None)
        unregistered: dict[str, Any] = {"method": params.grouping, "baselines": {}}
        stored = grouping_of(client, version) if version else unregistered
        threshold = stored["baselines"].get(model, params.default_threshold)
        crop = load_params("prepare", CropParams, project.root / "params.yaml")
        by = stored["split_by"] if version else None
        return Judged(model, None, stored["method"], threshold, stored["baselines"], crop, by)
    if model.startswith("models:/"):
        version = find_version(client, model)
    else:
        run_id = model.removeprefix("runs:/").split("/")[0]
        found = client.search_model_versions(f"run_id = '{run_id}'") if run_id.isalnum() else []
        if not found:
            raise UserError(
                f"'{model}' is no model, no run with a registered model and no baseline: give "
                f"models:/{names.production}@{CHAMPION}, models:/{names.candidates}/VERSION, the "
                f"id of a run, or one of {', '.join(BASELINES)}"
            )
        version = found[0]
    crop = _crop_of(client, version)
    stored = grouping_of(client, version)
    return Judged(
        name=model,
        version=version,
        clustering=stored["method"],
        threshold=stored["threshold"],
        baselines=stored["baselines"],
        crop=crop,
        split_by=stored["split_by"],
        calibration=_calibration_of(stored),
        publish=stored.get("publish"),
    )


def _calibration_of(stored: dict[str, Any]) -> Calibration | None:
    """Returns the calibration of a model; None for those from before scores knew a base rate."""
    found = stored.get("calibration") or {}
    return Calibration(**found) if "annotated" in found else None


def without_placeholders(products: pd.DataFrame, log: Log) -> pd.DataFrame:
    """Leaves out products whose picture stands for many, as the data contract does."""
    reasons = placeholders(products["sha256"])
    for name, reason in zip(products["product_id"], reasons, strict=True):
        if reason:
            log(f"warning: product {name} is left out: {reason}")
    return products[[reason is None for reason in reasons]].reset_index(drop=True)


def crop_annotated(
    products: pd.DataFrame, how: CropParams, log: Log
) -> tuple[pd.DataFrame, np.ndarray]:
    """Crops the products for the baselines; it leaves out those whose picture cannot be read.

    Args:
        products: product_id, image (path) and article_type.
        how: the params of the crop.
        log: called with a warning for each product that is left out.

    Returns:
        The products with a readable picture, and their crops: uint8 (products, side, side, 3).
    """
    crops, readable = [np.zeros((0, how.side, how.side, 3), np.uint8)], []
    columns = (products[name] for name in ("product_id", "image", "article_type"))
    for name, image, kind in zip(*columns, strict=True):
        try:
            picture = decode_product(Path(image).read_bytes() if isinstance(image, str) else None)
            crops.append(crop_picture(picture, how, article_type=kind)[None])
            readable.append(True)
        except UnreadablePicture as problem:
            log(f"warning: product {name} is left out: {problem}")
            readable.append(False)
    return products[readable].reset_index(drop=True), np.concatenate(crops)


def _crop_of(client: MlflowClient, version: ModelVersion) -> CropParams:
    """Returns how a model crops; its params, and weights of a detector, are stored with it."""
    how = CropParams(**read_json(model_file(client, version, "encoder.json"))["prepare"])
    if how.localizer != "detector":
        return how
    return with_weights(how, model_file(client, version, "detector.safetensors"))
