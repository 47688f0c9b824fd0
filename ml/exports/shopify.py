"""Groups as combined listings of Shopify: JSONL of variables of mutations of the Admin API.

A combined listing is a product of its own, the parent. So there are two files: of `productCreate`,
which makes the parents under the groups' ids as handles, and of `combinedListingUpdate`, which adds
the products. Rules: https://shopify.dev/docs/api/admin-graphql/latest/mutations/productCreate and
.../combinedListingUpdate, and .../input-objects/ChildProductRelationInput
"""

import json
import re
from collections import Counter
from collections.abc import Iterable
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd

from ml.core.errors import UserError, visible
from ml.exports.rows import column, fitting

GID = "gid://shopify/Product/"
OPTION = "Color"
NUMBER = re.compile(r"[0-9]{1,20}")
LONGEST = 255  # characters of a title or an option's value
LISTED = "shopify_id"  # columns that `with_shopify_ids` adds
PARENT = "shopify_parent"


def shopify_parents(rows: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Writes the input of `productCreate` for each group; nothing is left out."""
    _write(
        path,
        (
            {"product": {"title": title, "handle": name, "combinedListingRole": "PARENT"}}
            for name, title in _titles(rows).items()
        ),
    )
    return rows.iloc[:0][["product_id"]].assign(reason="")


def shopify(rows: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Writes the input of `combinedListingUpdate` for each group.

    Args:
        rows: with the columns that `with_shopify_ids` adds.

    Returns:
        product_id and reason of what is left out.

    Raises:
        UserError: the shop's ids were not given.
    """
    if PARENT not in rows:
        raise UserError(
            "Shopify's ids of the products are not known: query `{ products { edges { node { id "
            "handle } } } }` in bulk, after productCreate for the parents, and give the result as "
            "--shopify-ids FILE"
        )
    unknown = set(rows.loc[rows[LISTED].isna(), "product_id"])
    held, left_out = fitting(
        rows[rows[PARENT].notna()],
        lambda one: "Shopify has no product of this handle" if one in unknown else None,
    )
    orphans = rows.loc[rows[PARENT].isna(), ["product_id"]]
    orphans = orphans.assign(reason="Shopify has no parent of its group: run productCreate first")
    titles = _titles(held)
    _write(path, (_listing(titles[str(name)], one) for name, one in held.groupby("group")))
    return pd.concat([left_out, orphans])


def with_shopify_ids(groups: pd.DataFrame, file: Path) -> pd.DataFrame:
    """Adds Shopify's ids of products and of groups' parents.

    Args:
        groups: a product_id is a handle, or the number of Shopify's id.
        file: result of a bulk query of all products, JSONL with id and handle.

    Raises:
        UserError: a line of the file is no such product.
    """
    ids: dict[str, str] = {}
    lines = StringIO(file.read_text(encoding="utf-8"), newline="\n")  # titles may hold U+2028
    for number, line in enumerate(lines, 1):
        try:
            one = json.loads(line)
            handle, gid = str(one["handle"]), str(one["id"])
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{file}, line {number}: no product with id and handle") from error
        if not (gid.startswith(GID) and NUMBER.fullmatch(gid.removeprefix(GID))):
            raise UserError(f"{file}, line {number}: {visible(gid)} is not the id of a product")
        ids[handle] = gid
    numbers = {gid.removeprefix(GID): gid for gid in ids.values()}
    listed = groups["product_id"].map(lambda one: ids.get(one) or numbers.get(one))
    listed = listed.mask(listed.duplicated())  # the number of one product is the handle of another
    return groups.assign(**{LISTED: listed, PARENT: groups["group"].map(ids.get)})


def _listing(title: str, group: pd.DataFrame) -> dict[str, Any]:
    values = _different(column(group, "colour").tolist())
    added = [
        {
            "childProductId": child,
            "selectedParentOptionValues": [{"name": OPTION, "value": value}],
        }
        for child, value in zip(group[LISTED], values, strict=True)
    ]
    return {
        "parentProductId": group[PARENT].iloc[0],
        "title": title,
        "optionsAndValues": [{"name": OPTION, "values": values}],
        "productsAdded": added,
    }


def _different(colours: list[str]) -> list[str]:
    """Numbers colours that come twice, since each child needs a value of its own."""
    made, taken, numbers = list[str](), set[str](), Counter[str]()
    for colour in colours:
        base = value = (colour or "Unknown")[: LONGEST - 10]
        while value.casefold() in taken:
            numbers[base.casefold()] += 1
            value = f"{base} {numbers[base.casefold()] + 1}"
        taken.add(value.casefold())
        made.append(value)
    return made


def _titles(rows: pd.DataFrame) -> dict[str, str]:
    """The title of each group: that of its representative, or its brand and article type."""
    first = rows.groupby("group", sort=True).head(1)
    words = column(first, "brand") + " " + column(first, "article_type")
    titles = column(first, "title").where(lambda one: one != "", words.str.strip())
    named = zip(map(str, first["group"]), titles, strict=True)
    return {name: title[:LONGEST] or name for name, title in named}


def _write(path: Path, lines: Iterable[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for line in lines:
            file.write(json.dumps(line) + "\n")
