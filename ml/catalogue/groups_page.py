"""Writes a grouped catalogue: tables for machines and for spreadsheets, a page for people."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from markupsafe import Markup

from ml.catalogue.colour_names import name_colours
from ml.catalogue.counts import counts_of, in_groups
from ml.core.files import remove, replacing, write_table
from ml.core.spreadsheet import write_csv
from ml.data.schema import BLOCK
from ml.pages.html import TEMPLATES, write_page

TEMPLATE = TEMPLATES / "groups.html.j2"
PICTURES = "groups-pictures"  # folder beside the page
COLUMNS = ["product_id", "group", "score", "band", "problem"]
PROBLEMS = 200  # unreadable pictures on the page, at most; groups.csv has all


class Looks(NamedTuple):
    """How the pictures of a catalogue look.

    Attributes:
        colours: float (products, 3), measured sRGB; NaN: not known.
        thumbnails: from SHA-256s of pictures to those that can be read, with their JPEGs.
    """

    colours: np.ndarray
    thumbnails: Callable[[list[str]], Iterable[tuple[str, bytes]]]


def write_groups(
    products: pd.DataFrame,
    model: str,
    out: Path,
    looks: Looks,
    changes: pd.DataFrame | None = None,
) -> dict[str, int]:
    """Writes groups.parquet (product_id, group, score, band, problem), groups.csv and groups.html.

    In groups.csv a text that a spreadsheet would run, such as "=1+1", begins with an apostrophe.
    The page shows thumbnails from the folder `PICTURES`, which holds no others afterwards.

    Args:
        products: the catalogue, with group, score, band and problem, sha256, and maybe
            representative, title and base_colour.
        model: the model's name for the page.
        changes: change, group and product_id since the version before.

    Returns:
        The counts of the products; see `ml.catalogue.counts`.
    """
    products = products.reset_index(drop=True)
    several = in_groups(products)
    shown = _shown(products, several.to_numpy(), looks.colours, changes)
    counts = counts_of(products)
    bad = products.loc[products["problem"].notna(), ["product_id", "problem"]]
    used = set(products.loc[several, "sha256"].dropna())
    _write_missing(out / PICTURES, used, looks)
    # All are written before any appears, so that an interruption leaves no mixture of two answers.
    with (
        replacing(out / "groups.parquet") as parquet,
        replacing(out / "groups.csv") as text,
        replacing(out / "groups.html") as page,
    ):
        write_table(parquet, products[COLUMNS])
        write_csv(text, products[COLUMNS])
        write_page(
            page,
            TEMPLATE,
            model=model,
            counts=counts,
            represented="representative" in products,
            problems=bad[:PROBLEMS].to_dict("records"),
            data=_script(
                shown | {"pictures": PICTURES, "represented": "representative" in products}
            ),
        )
    for file in (out / PICTURES).iterdir():  # earlier pages may have needed it until now
        if file.stem not in used:
            remove(file)
    return counts


def _shown(
    products: pd.DataFrame, several: np.ndarray, colours: np.ndarray, changes: pd.DataFrame | None
) -> dict[str, Any]:
    """Returns what the page's script shows: groups by id, in each the representative first."""
    named = name_colours(products.get("base_colour"), colours)
    table = products.assign(colour=named["colour"], looks=named["looks"], row=products.index)
    first = "representative" if "representative" in table else "row"
    table = table[several].sort_values(
        ["group", first, "product_id"], ascending=[True, first == "row", True], kind="stable"
    )
    of_group, of_product = _badges(changes)
    place, blocks = pd.factorize(pd.MultiIndex.from_frame(table[BLOCK].astype(str)))
    titles = table["title"] if "title" in table else pd.Series(None, table.index, dtype=object)
    groups: list[dict[str, Any]] = []
    for name, band, block, one, title, sha, colour, wrong, score, row in zip(
        table["group"],
        table["band"],
        place.tolist(),
        table["product_id"],
        titles,
        table["sha256"],
        table["colour"],
        table["looks"],
        table["score"].astype(float),
        table["row"],
        strict=True,
    ):
        if not groups or groups[-1]["id"] != name:
            groups.append(
                {
                    "id": name,
                    "band": _text(band) or "review",
                    "block": block,
                    "change": of_group.get(name),
                    "products": [],
                }
            )
        groups[-1]["products"].append(
            {
                "id": one,
                "title": _text(title),
                "picture": _text(sha),
                "colour": _text(colour),
                "rgb": None if np.isnan(colours[row]).any() else colours[row].astype(int).tolist(),
                "looks": _text(wrong),
                "score": None if np.isnan(score) else round(score, 6),
                "change": of_product.get(one),
            }
        )
    return {"blocks": [list(block) for block in blocks], "groups": groups}


def _text(value: object) -> str | None:
    return None if value is None or value != value else str(value)


def _badges(changes: pd.DataFrame | None) -> tuple[dict[str, str], dict[str, str]]:
    """Returns what happened to groups, and to products that joined one."""
    if changes is None:
        return {}, {}
    of_group = changes[changes["change"].isin(["new", "merged", "split"])]
    joined = changes[changes["change"] == "joined"]
    return (
        dict(zip(of_group["group"], of_group["change"], strict=True)),
        dict(zip(joined["product_id"], joined["change"], strict=True)),
    )


def _script(content: dict[str, Any]) -> Markup:
    """Returns JSON that cannot end the script element which holds it."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))


def _write_missing(folder: Path, used: set[str], looks: Looks) -> None:
    """Writes thumbnails that are not in the folder yet; they never change."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = sorted(used - {file.stem for file in folder.iterdir()})
    for sha, content in looks.thumbnails(missing):
        with replacing(folder / f"{sha}.jpg") as beside:
            beside.write_bytes(content)
