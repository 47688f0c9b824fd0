"""Thumbnails and colours of a catalogue's pictures: each picture is decoded once."""

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from PIL import Image

from ml.catalogue.colours import product_colour
from ml.catalogue.picture_store import KEY, PictureStore
from ml.catalogue.store import Store
from ml.core.progress import progress
from ml.data.images import UnreadablePicture, decode
from ml.pages.html import THUMBNAIL
from ml.prepare.foreground import foreground

FOLDER = "looks-1"  # of the store; another number when thumbnails or colours are made otherwise
CHUNK = 512  # pictures in memory at a time
THREADS = 2
SCHEMA = pa.schema(
    [(KEY, pa.string()), ("thumbnail", pa.binary()), ("colour", pa.binary())]  # colour: r, g, b
)


class Look(NamedTuple):
    """How one picture looks.

    Attributes:
        thumbnail: JPEG; empty for a picture that cannot be read.
        colour: uint8 (3,), sRGB; empty if hardly anything is seen of the product.
    """

    thumbnail: bytes
    colour: bytes


def looks_of(store: Store) -> PictureStore:
    """Returns the thumbnails and colours that are kept."""
    return PictureStore(store.below(FOLDER))


def keep_looks(looks: PictureStore, products: pd.DataFrame) -> int:
    """Makes what is not kept yet; returns for how many pictures.

    Args:
        products: sha256 (None if there is no picture), and image, the picture's path or None.
    """
    here = products[products["sha256"].notna() & products["image"].notna()]
    paths = here.drop_duplicates("sha256").set_index("sha256")["image"]
    missing = looks.missing(paths.index.tolist())
    with (
        progress("thumbnails", len(missing), "pictures") as advance,
        ThreadPoolExecutor(THREADS) as pool,
    ):
        for start in range(0, len(missing), CHUNK):
            keys = missing[start : start + CHUNK]
            made = list(pool.map(lambda path: _look(Path(path)), paths[keys]))
            columns = [keys, *([one[i] for one in made] for i in range(2))]
            looks.add(pa.table(columns, schema=SCHEMA))
            advance(len(keys))
    looks.compact()
    return len(missing)


def colours(looks: PictureStore, digests: pd.Series) -> np.ndarray:
    """Returns the measured colours of pictures: float64 (pictures, 3), sRGB; NaN: not known."""
    found = np.full((len(digests), 3), np.nan)
    for places, part in looks.read(digests.fillna("").tolist(), ["colour"]):
        for place, colour in zip(places, part["colour"].to_pylist(), strict=True):
            if colour:
                found[place] = list(colour)
    return found


def thumbnails(looks: PictureStore, digests: list[str]) -> Iterator[tuple[str, bytes]]:
    """Yields the thumbnails of those pictures that can be read."""
    for places, part in looks.read(digests, ["thumbnail"]):
        for place, content in zip(places, part["thumbnail"].to_pylist(), strict=True):
            if content:
                yield digests[place], content


def _look(path: Path) -> Look:
    try:
        picture = Image.fromarray(decode(path.read_bytes()))
    except (UnreadablePicture, OSError):
        return Look(b"", b"")
    picture.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.BICUBIC)
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=80)
    small = np.asarray(picture)
    colour = product_colour(small, foreground(small).mask)
    return Look(content.getvalue(), b"" if colour is None else colour.tobytes())
