"""Why two products are, or are not, together: how likely, and in which parts they match."""

from typing import Annotated, Any

import numpy as np
import pandas as pd
from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import HTMLResponse
from PIL import Image

from flows.catalogue.shop import kept_picture
from flows.desk.group_views import marks, outsiders, percent, products
from flows.desk.grouping_model import GroupingModels
from flows.desk.newest_groups import Catalogues, NewestGroups, catalogues_of
from flows.desk.page import page
from flows.desk.people import Person, needs
from ml.catalogue.closeness import Closeness
from ml.core.errors import UserError, visible
from ml.data.images import UnreadablePicture, decode

SIDE = 480  # pixels of the longer side of the pictures that are measured
WAIT = 25.0  # seconds that a page waits for the model: its process starts in about ten

router = APIRouter()


@router.get("/groups/{catalogue}/why")
def why(
    request: Request,
    catalogue: str,
    who: Annotated[Person, Depends(needs("viewer"))],
    found: Annotated[Catalogues, Depends(catalogues_of)],
    left: Annotated[str, Query(max_length=500)],
    right: Annotated[str, Query(max_length=500)],
) -> HTMLResponse:
    """Shows two products side by side, with the parts that match and those that differ."""
    newest = found.newest(catalogue)
    rows = newest.list.rows.get_indexer(pd.Index([left, right], dtype=object))
    if (rows < 0).any():
        raise HTTPException(404, f"version {newest.number} has no product of this id")
    first, second = rows.tolist()
    models: GroupingModels = request.app.state.models
    model = models.of(newest)
    seen: dict[str, Any] | None = None
    unknown, chance, outsider = "", "", None
    try:
        closeness = model.closeness(WAIT)
        if closeness is not None:
            chance = _chance(closeness, first, second)
            outsider = _outsider(closeness, newest, first)
        seen = model.parts(first, second, lambda row: _picture(found, newest, row), WAIT)
    except UserError as error:
        unknown = str(error)
    return page(
        request,
        who,
        "why.html.j2",
        facts=newest.facts,
        products=products(newest, [first, second]),
        chance=chance,
        outsider=outsider,
        unknown=visible(unknown),
        parts=[marks(seen["left"]), marks(seen["right"])] if seen else None,
    )


def _chance(closeness: Closeness, first: int, second: int) -> str:
    if closeness.block[first] != closeness.block[second]:
        raise UserError(
            "these two products are never compared: they differ in brand, gender or article type"
        )
    likely = closeness.probability(first, closeness.similarities(np.array([first, second]))[0, 1:])
    return "" if likely is None else percent(likely[0])


def _outsider(closeness: Closeness, newest: NewestGroups, row: int) -> dict[str, Any] | None:
    """Returns the product of another group that is nearest to a product's group."""
    place = int(newest.list.group_of[row])
    members = np.arange(newest.list.starts[place], newest.list.starts[place + 1])
    found = outsiders(newest, closeness, members, 1)
    return found[0] if found else None


def _picture(found: Catalogues, newest: NewestGroups, row: int) -> np.ndarray:
    """Reads the picture of a product: the shop's copy, or else its thumbnail."""
    one = newest.list.products.iloc[row]
    content = None
    if isinstance(one["sha256"], str):
        source, columns = newest.facts["source"], newest.facts["columns"]
        file = kept_picture(found.project, source, columns, one["sha256"])
        small = found.thumbnail(newest.catalogue, one["sha256"])
        content = file.read_bytes() if file.is_file() else small
    try:
        picture = Image.fromarray(decode(content))
    except UnreadablePicture as error:
        raise UserError(f"the picture of {one['product_id']} cannot be used: {error}") from error
    picture.thumbnail((SIDE, SIDE), Image.Resampling.BICUBIC)
    return np.asarray(picture)
