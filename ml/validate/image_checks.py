"""Inspects every picture of a catalogue for the data contract."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from ml.core.progress import progress
from ml.data.images import UnreadablePicture, decode, is_blank, placeholders
from ml.data.schema import BLOCK
from ml.validate.near_duplicates import SIDE, nearest_earlier


def inspect_pictures(catalog: pd.DataFrame, images: Path) -> pd.DataFrame:
    """Decodes every picture once and checks it.

    Args:
        catalog: product_id, image, sha256 (None if the file was missing) and the block's columns.
        images: the snapshot's folder of pictures, named by SHA-256.

    Returns:
        One row per product: product_id, image, usable (bool), reason (text or None), width, height
        and side (the shorter of both; pixels as decoded, missing if unreadable) and duplicate_of
        (product_id of the nearest earlier near-duplicate in its block, or None).
    """
    files = [None if pd.isna(name) else images / name for name in catalog["sha256"]]
    shared = placeholders(catalog["sha256"])
    with (
        progress("check pictures", len(files), "pictures") as advance,
        ThreadPoolExecutor() as pool,
    ):
        facts = []
        for fact, placeholder in zip(pool.map(_inspect, files), shared, strict=True):
            if fact["usable"] and placeholder:
                fact |= {"usable": False, "reason": placeholder}
            facts.append(fact)
            advance()
    table = pd.DataFrame(facts).astype({"width": "Int32", "height": "Int32", "side": "Int32"})
    table.insert(0, "image", catalog["image"].to_numpy())
    table.insert(0, "product_id", catalog["product_id"].to_numpy())
    table["duplicate_of"] = _near_duplicates(catalog, table)
    return table.drop(columns="thumbnail")


def _inspect(file: Path | None) -> dict[str, Any]:
    try:
        picture = decode(file.read_bytes() if file else None)
    except UnreadablePicture as error:
        sides = dict.fromkeys(("width", "height", "side"))
        return {"usable": False, "reason": str(error), **sides, "thumbnail": None}
    height, width, _ = picture.shape
    # In colour: colour variants must not count as duplicates.
    small = Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BOX)
    blank = is_blank(picture)
    return {
        "usable": not blank,
        "reason": "the picture is blank" if blank else None,
        "width": width,
        "height": height,
        "side": min(width, height),
        "thumbnail": np.asarray(small, np.uint8).ravel(),
    }


def _near_duplicates(catalog: pd.DataFrame, facts: pd.DataFrame) -> list[str | None]:
    """Finds for each product the nearest earlier near-duplicate in its block, or None."""
    found: list[str | None] = [None] * len(facts)
    usable = facts["usable"].to_numpy(bool)
    ids = facts["product_id"].to_numpy()
    for members in catalog.reset_index(drop=True).groupby(BLOCK, dropna=False).indices.values():
        indices = np.asarray(members)[usable[members]]
        if len(indices) < 2:
            continue
        nearest = nearest_earlier(np.stack(list(facts["thumbnail"].to_numpy()[indices])))
        for index, place in zip(indices, nearest, strict=True):
            if place >= 0:
                found[index] = ids[indices[place]]
    return found
