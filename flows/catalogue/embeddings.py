"""Embeddings of a catalogue by a registered model: each picture is embedded once, and kept."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from flows.catalogue.dask_cluster import embed_on
from flows.local.project import Project
from flows.local.scratch import scratch
from flows.registry.remote_predict import SCRIPT, Log, run_score
from flows.registry.tracking import connect
from flows.registry.verified_files import digest_of, download, hash_files, refuse_changed
from flows.registry.versions import find_version
from ml.catalogue.block_grouping import Grouper
from ml.catalogue.picture_store import PictureStore
from ml.catalogue.store import Store
from ml.core.disk_space import reserve
from ml.core.errors import UserError
from ml.core.files import read_json, write_table
from ml.data.images import placeholders
from ml.grouping.calibration import Calibration

FOLDER = "embeddings"  # of the store: a folder for each model, named by the digest of its files
MISSING = "the file is missing"
MODEL = "judged"  # folder of the model's files


class Embedded(NamedTuple):
    """A catalogue, embedded.

    Attributes:
        embeddings: of the products; they are read when they are first asked for.
        problems: object (products,), why the picture cannot be read, or None.
        new: number of pictures that were embedded now; all others were in the store.
        grouper: how the model groups.
    """

    embeddings: "KeptEmbeddings"
    problems: np.ndarray
    new: int
    grouper: Grouper


def embedded(
    project: Project,
    store: Store,
    uri: str,
    products: pd.DataFrame,
    folder: Path,
    log: Log,
    cluster: str = "",
) -> Embedded:
    """Embeds the pictures that are not in the store.

    What is embedded is kept at once, so that an interrupted run goes on from there.

    Args:
        uri: a registered model, models:/NAME/VERSION.
        products: sha256 (None if there is no picture), article_type, and image: the picture's path,
            which may be None for one that the store has.
        folder: an empty folder for as long as the embeddings are used; it gets the model's files,
            as `judged`.
        log: called with each line that the model's process prints.
        cluster: address of a Dask scheduler, on whose workers pictures are embedded; empty: here.

    Raises:
        UserError: there is no such model, a file of it is not as the gate judged it, or the cluster
            cannot be used.
        RuntimeError: the model failed.
    """
    digest = _copy_model(project, uri, folder)
    asked = products[products["sha256"].notna()]
    pictures = _pictures(store, digest)
    asked = asked.assign(key=picture_keys(asked))
    lacking = _lacking(pictures, asked)
    if len(lacking):
        if cluster:
            program = project.root / SCRIPT
            embed_on(cluster, store, pictures.store, folder / MODEL, program, lacking, log)
        else:
            _embed_here(project, pictures, folder / MODEL, lacking, log)
        pictures.compact()
    return _found(pictures, products, folder, digest, len(lacking))


def kept_embeddings(
    project: Project, store: Store, uri: str, products: pd.DataFrame, folder: Path
) -> Embedded:
    """Finds embeddings that are in the store; it embeds nothing, and otherwise is as `embedded`."""
    digest = _copy_model(project, uri, folder)
    return _found(_pictures(store, digest), products, folder, digest, 0)


def folder_of(digest: str) -> str:
    """Returns the folder of a model's embeddings below `FOLDER`.

    Args:
        digest: of all files of the model.
    """
    return digest[:32]


def _pictures(store: Store, digest: str) -> PictureStore:
    return PictureStore(store.below(f"{FOLDER}/{folder_of(digest)}"))


def _copy_model(project: Project, uri: str, folder: Path) -> str:
    """Copies the files of a model, as the gate judged them; returns their digest."""
    client = connect(project)
    version = find_version(client, uri)
    copy = folder / MODEL
    copy.mkdir()
    hashes = hash_files(download(client, version, copy))
    refuse_changed(client, version, hashes)
    return digest_of(hashes)


def _found(
    pictures: PictureStore, products: pd.DataFrame, folder: Path, digest: str, new: int
) -> Embedded:
    asked = products["sha256"].notna().to_numpy()
    keys = picture_keys(products[asked])
    problems = np.full(len(asked), None, dtype=object)
    problems[~asked] = MISSING
    places = np.flatnonzero(asked)
    for found, part in pictures.read(keys, ["problem"]):
        problems[places[found]] = part["problem"].to_numpy(zero_copy_only=False)
    for place, reason in enumerate(placeholders(products["sha256"])):
        if reason and problems[place] is None:
            problems[place] = reason
    good = np.flatnonzero(pd.isna(problems[places]))
    keys = [keys[place] for place in good]
    kept = KeptEmbeddings(pictures, keys, places[good], len(asked), folder / "embeddings.npy")
    return Embedded(kept, problems, new, grouper_of(folder / MODEL, digest))


def picture_keys(products: pd.DataFrame) -> list[str]:
    """Returns the keys of the products' embeddings: the picture, and what decides its crop."""
    return (products["sha256"] + ":" + products["article_type"].astype(str)).tolist()


class KeptEmbeddings:
    """The embeddings of a catalogue's products, in the store until they are asked for.

    Then they are copied into a memory map, so that memory does not grow with products.

    Args:
        keys: of the products whose picture can be read.
        places: int (keys,), their rows.
        count: number of products.
        file: of the memory map.
    """

    def __init__(
        self, pictures: PictureStore, keys: list[str], places: np.ndarray, count: int, file: Path
    ) -> None:
        self.pictures, self.keys, self.places = pictures, keys, places
        self.count, self.file = count, file
        self.opened: np.ndarray | None = None

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """Returns float16 (rows, size), not relative to blocks; undefined if there is a problem.

        Raises:
            UserError: the store does not hold them any more.
        """
        if self.opened is None:
            self.opened = self._open()
        return np.asarray(self.opened[rows])

    def _open(self) -> np.ndarray:
        opened = np.zeros((self.count, 0), np.float16)
        lost = np.ones(len(self.keys), bool)
        for found, part in self.pictures.read(self.keys, ["embedding"]):
            column = part["embedding"].combine_chunks()
            lost[found] = False
            if not opened.shape[1]:
                shape = (self.count, column.type.list_size)
                opened = np.lib.format.open_memmap(self.file, "w+", np.float16, shape)
                reserve(self.file)
            opened[self.places[found]] = column.flatten().to_numpy().reshape(len(found), -1)
        if lost.any():
            raise UserError(
                f"the store {self.pictures.store.url} lacks the embeddings of {lost.sum()} "
                "products: somebody has trimmed it meanwhile; run `variants group` again"
            )
        return opened


def grouper_of(copy: Path, digest: str) -> Grouper:
    """Reads how a model groups.

    Args:
        copy: the model's folder, as MLflow keeps it.
        digest: of all its files.
    """
    found = read_json(copy / "artifacts/model/grouping.json")
    calibration: dict[str, Any] | None = found.get("calibration")
    # Before there were base rates, probabilities were those of the annotated pairs: no scores.
    known = calibration and "annotated" in calibration
    least = found.get("publish")
    return Grouper(
        digest,
        found.get("method", "average"),
        found["threshold"],
        found["block_prior"],
        Calibration(**calibration) if calibration and known else None,
        np.inf if least is None else least,
    )


def _lacking(pictures: PictureStore, asked: pd.DataFrame) -> pd.DataFrame:
    """Returns the rows of pictures that the store lacks, each picture once.

    Raises:
        UserError: one of them is not in this shop.
    """
    once = asked.drop_duplicates("key")
    lacking = once[once["key"].isin(set(pictures.missing(once["key"].tolist())))]
    absent = int(lacking["image"].isna().sum())
    if absent:
        raise UserError(
            f"this model has not embedded {absent} pictures of earlier products, which are not in "
            "this shop: group the whole catalogue once, without --new-only"
        )
    return lacking


def _embed_here(
    project: Project, pictures: PictureStore, model: Path, lacking: pd.DataFrame, log: Log
) -> None:
    """Embeds pictures in a process on this machine."""
    with scratch(project, "embed") as folder:
        table, parts = folder / "pictures.parquet", folder / "parts"
        parts.mkdir()
        write_table(table, lacking[["key", "image", "article_type"]].astype(str))
        keep = _keeper(pictures, parts)

        def told(line: str) -> None:
            log(line)
            keep()

        try:
            run_score(project, model, [str(table), str(parts), "pictures"], folder, told)
        finally:
            keep()


def _keeper(pictures: PictureStore, parts: Path) -> Callable[[], None]:
    """Returns a function that moves the parts that are whole into the store."""

    def keep() -> None:
        for part in sorted(parts.glob("*.parquet")):
            pictures.add(pq.ParquetFile(part).read())
            part.unlink()

    return keep
