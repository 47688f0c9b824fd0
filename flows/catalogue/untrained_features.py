"""Features of a catalogue's pictures by the untrained encoder; each picture is embedded once."""

import numpy as np
import pandas as pd
import pyarrow as pa

from flows.catalogue.embeddings import FOLDER, picture_keys
from flows.catalogue.shop import kept_picture
from flows.local.pipeline import run_module
from flows.local.project import Project
from flows.local.scratch import scratch
from flows.registry.remote_predict import Log
from ml.catalogue.picture_store import PictureStore
from ml.catalogue.store import Store
from ml.catalogue.versions import Version
from ml.core.files import read_table, write_table

NAME = "untrained"  # folder beside those of models; `variants groups store --trim` may remove it
PART = 4096  # pictures that are embedded before they are kept


def untrained_features(
    project: Project, store: Store, version: Version, products: pd.DataFrame, log: Log
) -> tuple[np.ndarray, np.ndarray]:
    """Embeds the pictures that are not in the store, if the shop's copy is on this machine.

    Args:
        version: of the catalogue.
        products: of this version: sha256 and article_type.
        log: called with each line of progress.

    Returns:
        float32 (products, size), not whitened; and bool (products,), whether the product has them.

    Raises:
        CommandError: the encoder failed.
        UserError: the disk is full.
    """
    kept = PictureStore(store.below(f"{FOLDER}/{NAME}"))
    asked = products["sha256"].notna().to_numpy()
    keys = picture_keys(products[asked])
    source, columns = version.facts["source"], version.facts["columns"]
    table = products.loc[asked, ["sha256", "article_type"]].assign(key=keys).drop_duplicates("key")
    table = table[table["key"].isin(set(kept.missing(keys)))]
    paths = [kept_picture(project, source, columns, str(name)) for name in table["sha256"]]
    here = [path.is_file() for path in paths]
    table = table.assign(image=[str(path) for path in paths])[here]
    for start in range(0, len(table), PART):
        with scratch(project, "untrained") as folder:
            asking, result = folder / "pictures.parquet", folder / "result.parquet"
            write_table(asking, table.iloc[start : start + PART][["key", "image", "article_type"]])
            run_module(project.root, "ml.untrained.features", [str(asking), str(result)], log)
            kept.add(_narrow(read_table(result)))
    kept.compact()
    return _read(kept, keys, np.flatnonzero(asked), len(products))


def _narrow(found: pd.DataFrame) -> pa.Table:
    vectors = np.stack(found["embedding"].tolist()).astype(np.float16)
    listed = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
    return pa.table(
        {
            "key": pa.array(found["key"].tolist(), pa.string()),
            "embedding": listed,
            "problem": pa.array(found["problem"].tolist(), pa.string()),
        }
    )


def _read(
    kept: PictureStore, keys: list[str], places: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    features, seen = np.zeros((count, 0), np.float32), np.zeros(count, bool)
    for found, part in kept.read(keys, ["embedding", "problem"]):
        column = part["embedding"].combine_chunks()
        vectors = column.flatten().to_numpy().reshape(len(found), -1)
        if not features.shape[1]:
            features = np.zeros((count, vectors.shape[1]), np.float32)
        features[places[found]] = vectors
        seen[places[found]] = part["problem"].is_null().to_numpy(zero_copy_only=False)
    return features, seen
