"""A catalogue whose pairs people are asked about: its products, and what is known of pairs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from flows.annotations.agreed import newest_words
from flows.annotations.batches import batches
from flows.annotations.decisions import pairs_of
from flows.annotations.decisions import standing as decided
from flows.catalogue.corrections import read_corrections
from flows.catalogue.embeddings import kept_embeddings
from flows.catalogue.places import store_of
from flows.catalogue.shop import kept_folder
from flows.catalogue.untrained_features import untrained_features
from flows.groups import find
from flows.local.project import Project
from flows.registry.model_files import grouping_of
from flows.registry.tracking import connect
from flows.registry.versions import find_version
from ml.annotate.consensus import CONFLICT, consensus
from ml.annotate.pair_scan import View
from ml.catalogue.block_grouping import BlockMean, Rows, relative_to
from ml.catalogue.corrections import standing
from ml.catalogue.store import Store
from ml.catalogue.versions import Version
from ml.core.files import read_table
from ml.data.annotations import pair_keys, pairs_within
from ml.data.blocks import block_numbers, fill_unknown
from ml.data.schema import BLOCK
from ml.untrained.first_groups import threshold_of
from ml.untrained.predictor import BLOCK_PRIOR
from ml.untrained.whitening import half_whitened
from ml.validate.split import split_products

Log = Callable[[str], None]


class ReadCatalogue(NamedTuple):
    """The newest version of a catalogue.

    Attributes:
        products: those with a readable picture.
        split: "train", "dev" or "test" of each, as the model's own shop was split.
        untrained: how the untrained encoder sees them.
    """

    store: Store
    version: Version
    products: pd.DataFrame
    split: np.ndarray
    untrained: View


def read_catalogue(project: Project, catalogue: str, log: Log) -> ReadCatalogue:
    """Reads the newest version of a catalogue, and what untrained features lack of its pictures.

    Args:
        log: called with each line of progress.

    Raises:
        UserError: there is no such catalogue, or its model cannot be used.
    """
    store = store_of(project)
    version = find(store, catalogue)
    products = version.products
    readable = products["problem"].isna() & products["sha256"].notna()
    products = fill_unknown(products[readable]).reset_index(drop=True)
    client = connect(project)
    by = grouping_of(client, find_version(client, version.facts["model"]))["split_by"]
    features, seen = untrained_features(project, store, version, products, log)
    split = split_products(products, by).to_numpy()
    return ReadCatalogue(store, version, products, split, _untrained_view(products, features, seen))


def already_said(
    project: Project, store: Store, version: Version, blocks: bool = True
) -> pd.DataFrame:
    """Returns what people have said about the products of a catalogue: left, right, answer.

    It is what pairs and complete blocks of its shop say, if its copy is here, corrections, and what
    annotators agree on; the newest words come last. Pairs that no annotator has answered yet, or
    that are in conflict, wait.

    Args:
        blocks: whether complete blocks count.
    """
    folder = snapshot_of(project, version)
    parts = [pd.DataFrame(columns=["left", "right", "answer"], dtype=object)]
    if (folder / "pairs.parquet").is_file():
        parts.append(_answers_of_pairs(read_table(folder / "pairs.parquet")))
    if blocks and (folder / "blocks.parquet").is_file():
        parts.append(_answers_of_blocks(folder, version.products))
    corrections = standing(read_corrections(store, version.facts["catalogue"]))
    words = np.where(corrections["same"], "same", "different")
    parts.append(corrections[["left", "right"]].assign(answer=words))
    parts += _answers_of_annotators(project, version.facts["catalogue"])
    return pd.concat(parts, ignore_index=True)


def snapshot_of(project: Project, version: Version) -> Path:
    """Returns the folder of the copy of the catalogue's shop, which may not exist."""
    return kept_folder(project, version.facts["source"], version.facts["columns"]) / "snapshot"


def _untrained_view(products: pd.DataFrame, features: np.ndarray, seen: np.ndarray) -> View:
    whitened = np.zeros_like(features)
    if seen.any():
        whitened[seen] = half_whitened(features[seen])
    return View(
        _relative_reader(products, whitened, BLOCK_PRIOR, {}),
        threshold_of(max(1, int(seen.sum()))),
        seen,
    )


def view_of_model(project: Project, found: ReadCatalogue, folder: Path) -> View:
    """Returns how the model of the version sees the products: against the means that it kept."""
    facts = found.version.facts
    kept = kept_embeddings(project, found.store, facts["model"], found.products, folder)
    means = {
        tuple(row[one] for one in BLOCK): BlockMean(
            np.asarray(row["total"], np.float32), int(row["products"])
        )
        for row in found.version.means.to_dict("records")
    }
    relative = _relative_reader(found.products, kept.embeddings, kept.grouper.block_prior, means)
    seen = np.array([one is None for one in kept.problems])
    return View(relative, float(facts["threshold"]), seen)


def _relative_reader(
    products: pd.DataFrame, embeddings: Rows, prior: float, means: dict[Any, BlockMean]
) -> Callable[[np.ndarray], np.ndarray]:
    """Returns what reads embeddings of products of one block, relative to it."""
    block = block_numbers(products)
    names = list(products[BLOCK].itertuples(index=False, name=None))
    order = np.argsort(block, kind="stable")
    ends = np.cumsum(np.bincount(block))

    def read(members: np.ndarray) -> np.ndarray:
        mean = means.get(names[members[0]])
        if mean is None:
            number = block[members[0]]
            whole = order[ends[number - 1] if number else 0 : ends[number]]
            own = np.asarray(embeddings[whole], np.float32)
            mean = BlockMean(own.sum(axis=0), len(own))
        return relative_to(np.asarray(embeddings[members], np.float32), mean, prior)

    return read


def _answers_of_pairs(pairs: pd.DataFrame) -> pd.DataFrame:
    answer = np.where(pairs["color_variants"].astype(str) == "1", "same", "different")
    if "confidence" in pairs:
        answer = np.where(pairs["confidence"].eq("low").fillna(False), "unsure", answer)
    return pairs[["left", "right"]].assign(answer=answer)


def _answers_of_annotators(project: Project, catalogue: str) -> list[pd.DataFrame]:
    answer = consensus(newest_words(decided(project, catalogue)), "key")
    answer = answer.replace({CONFLICT: "waiting"})
    asked = [pairs_of(project, one) for one in batches(project) if one.catalogue == catalogue]
    return [
        pairs[["left", "right"]].assign(
            answer=pair_keys(pairs).map(answer).astype(object).fillna("waiting")
        )
        for pairs in asked
    ]


def _answers_of_blocks(folder: Path, products: pd.DataFrame) -> pd.DataFrame:
    blocks = read_table(folder / "blocks.parquet")
    blocks = blocks.merge(products[["product_id", *BLOCK]], on="product_id")
    left, right = pairs_within(block_numbers(blocks))
    ids, design = blocks["product_id"].to_numpy(object), blocks["design"].to_numpy(object)
    answer = np.where(design[left] == design[right], "same", "different")
    found = pd.DataFrame({"left": ids[left], "right": ids[right], "answer": answer}, dtype=object)
    file = folder / "blocks_unsure_pairs.parquet"
    if not file.is_file():
        return found
    unsure = {frozenset(one) for one in read_table(file)[["left", "right"]].to_numpy().tolist()}
    doubt = [frozenset(one) in unsure for one in zip(ids[left], ids[right], strict=True)]
    return found.assign(answer=np.where(doubt, "unsure", answer))
