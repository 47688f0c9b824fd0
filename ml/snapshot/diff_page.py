"""Writes what changed between two snapshots: diff.json for programs, diff.html for people."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from ml.core.files import write_json
from ml.data.blocks import fill_unknown
from ml.data.images import UnreadablePicture, decode
from ml.pages.html import NO_PICTURE, TEMPLATES, picture_url, product_card, write_page
from ml.snapshot.diff import SnapshotDiff, TableDiff, Tables, diff_snapshots

TEMPLATE = TEMPLATES / "snapshot_diff.html.j2"
SHOWN = 120  # products of a section, and pairs, on the page at most


@dataclass(frozen=True)
class Side:
    """One of two snapshots that are compared.

    Attributes:
        name: what people call it.
        tables: "catalog", and "pairs" and "pictures" or None.
        picture: SHA-256 → the bytes of the picture, or None if it is not at hand.
    """

    name: str
    tables: Tables
    picture: Callable[[str], bytes | None]


def write_diff(before: Side, after: Side, folder: Path) -> SnapshotDiff:
    """Compares two snapshots and writes diff.json and diff.html into a folder.

    Returns:
        What changed.
    """
    diff = diff_snapshots(before.tables, after.tables)
    folder.mkdir(parents=True, exist_ok=True)
    names = {"before": before.name, "after": after.name}
    write_json(folder / "diff.json", names | diff.to_json())
    sections = [
        _section("added", diff.products.added, after),
        _section("removed", diff.products.removed, before),
        _section("changed", list(diff.products.changed), after, before, diff.products),
    ]
    counts = {"products": diff.products.counts(), "pairs": diff.pairs.counts()}
    write_page(
        folder / "diff.html",
        TEMPLATE,
        **names,
        counts=counts,
        sections=[section for section in sections if section["count"]],
        pairs=list(islice(_pairs(diff.pairs), SHOWN)),
    )
    return diff


def _section(
    name: str,
    keys: list[str],
    side: Side,
    before: Side | None = None,
    diff: TableDiff | None = None,
) -> dict[str, Any]:
    rows, earlier = _rows(side, keys), _rows(before, keys) if before else {}
    cards = []
    for key in keys[:SHOWN]:
        columns = diff.changed[key] if diff else []
        card = product_card(rows[key], _picture(side, rows[key]))
        other = "picture" in columns and before
        card |= {
            "columns": ", ".join(columns),
            "before": _thumbnail(_picture(before, earlier[key])) if before and other else None,
        }
        cards.append(card)
    return {"name": name, "count": len(keys), "cards": cards}


def _rows(side: Side, keys: list[str]) -> dict[str, pd.Series]:
    """The rows of some products by their keys; of an id that comes twice, the first."""
    catalog = side.tables["catalog"]
    assert catalog is not None
    ids = catalog["product_id"].fillna("").astype(str)
    first = catalog[~ids.duplicated()].set_axis(ids[~ids.duplicated()])
    wanted = {key: _id_of(key, first.index) for key in keys[:SHOWN]}
    rows = fill_unknown(first.loc[list(wanted.values())])
    return {key: row for key, (_, row) in zip(wanted, rows.iterrows(), strict=True)}


def _id_of(key: str, ids: pd.Index) -> str:
    """The id of a product, of which a key may be that of its second row, ID (2)."""
    while key not in ids:
        key = key.rpartition(" (")[0]
    return key


def _picture(side: Side, row: pd.Series) -> np.ndarray:
    name = row["sha256"]
    try:
        return decode(side.picture(name) if isinstance(name, str) else None)
    except UnreadablePicture:
        return NO_PICTURE


def _thumbnail(picture: np.ndarray) -> str:
    small = Image.fromarray(picture)
    small.thumbnail((112, 112), Image.Resampling.BICUBIC)
    return picture_url(small)


def _pairs(diff: TableDiff) -> Iterator[dict[str, str]]:
    for pair in diff.added:
        yield {"pair": pair, "words": "added"}
    for pair in diff.removed:
        yield {"pair": pair, "words": "removed"}
    for pair, columns in diff.changed.items():
        yield {"pair": pair, "words": f"changed: {', '.join(columns)}"}
