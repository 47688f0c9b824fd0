"""Embedding shards: some pictures in one Parquet file, which any machine embeds into the store.

The model comes with them, as an archive of its folder, and so does the program that runs it: a
worker needs the packages, but neither the registry, the shop nor a checkout. Shards share nothing,
so that one can be done again.
"""

import io
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ml.catalogue.picture_store import KEY, PictureStore
from ml.catalogue.store import Store
from ml.core.files import write_table

MODEL, PROGRAM = "model.tar", "score.py"  # in the folder of the shards
PICTURES = 2048  # of a shard, at most: some 100 MB
FEW = 64  # of a shard, at least: fewer are not worth loading a model for
TAIL = 2000  # characters of a failed program's words


def write_shards(
    shards: Store, model: Path, program: Path, asked: pd.DataFrame, workers: int
) -> Iterator[str]:
    """Writes what workers need, shard by shard; yields the name of each shard when it is there.

    Args:
        shards: a folder of the store, for as long as workers embed.
        model: folder of the model.
        program: as mlflow/score.py.
        asked: key, article_type, and image: the picture's path.
        workers: how many share the work.
    """
    size = min(PICTURES, max(FEW, -(-len(asked) // max(1, workers))))
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add(model, arcname="model")
    shards.write(MODEL, archive.getvalue())
    shards.write(PROGRAM, program.read_bytes())
    for start in range(0, len(asked), size):
        part, name = asked.iloc[start : start + size], f"{start:09}.parquet"
        columns = {
            KEY: part["key"].tolist(),
            "article_type": part["article_type"].astype(str).tolist(),
            "content": pa.array([_content(one) for one in part["image"]], pa.binary()),
        }
        shards.write_table(name, pa.table(columns), compression="none")  # pictures are compressed
        yield name


def embed_shard(url: str, name: str, into: str) -> int:
    """Embeds a shard; done twice it adds the same embeddings again.

    Args:
        url: of the folder of the shards.
        name: of the shard.
        into: URL of the folder of the model's embeddings; see `ml.catalogue.picture_store`.

    Returns:
        Number of pictures.

    Raises:
        RuntimeError: the model failed.
    """
    shards, kept = Store(url), PictureStore(Store(into))
    table = shards.read_table(name)
    with TemporaryDirectory(prefix="embed-") as scratch:
        folder = Path(scratch)
        with tarfile.open(fileobj=io.BytesIO(shards.read(MODEL))) as tar:
            tar.extractall(folder, filter="data")
        (folder / PROGRAM).write_bytes(shards.read(PROGRAM))
        parts = folder / "out/parts"
        parts.mkdir(parents=True)
        paths = []
        for place, content in enumerate(table["content"].to_pylist()):
            paths.append(folder / f"{place}.picture")
            if content is not None:
                paths[-1].write_bytes(content)
        asked = table.drop_columns(["content"]).to_pandas().assign(image=[str(p) for p in paths])
        write_table(folder / "pictures.parquet", asked)
        command = [PROGRAM, "model", "pictures.parquet", "out/parts", "pictures"]
        done = subprocess.run(
            [sys.executable, *command],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"the model failed on a worker:\n{done.stderr[-TAIL:]}")
        for part in sorted(parts.glob("*.parquet")):
            kept.add(pq.ParquetFile(part).read())
    return table.num_rows


def _content(path: str) -> bytes | None:
    """Returns the bytes of a picture; None: it is not there any more, which the model will say."""
    try:
        return Path(path).read_bytes()
    except OSError:
        return None
