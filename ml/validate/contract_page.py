"""The page of the data contract: every rule in words, and of a broken one what was found."""

from pathlib import Path
from typing import Any

import pandas as pd

from ml.data.blocks import fill_unknown
from ml.data.images import UnreadablePicture, decode
from ml.pages.html import product_card, write_page

TEMPLATE = Path(__file__).parent / "templates/contract.html.j2"
REFUSED = 60  # pictures in quarantine on the page, at most; quarantine.parquet has all


def write_contract_page(
    path: Path,
    contract: dict[str, Any],
    catalog: pd.DataFrame,
    pictures: pd.DataFrame,
    images: Path,
) -> None:
    """Writes the page of a snapshot's contract, one self-contained HTML file.

    Equal inputs give equal bytes. Every text of the shop is escaped.

    Args:
        path: the HTML file.
        contract: the content of contract.json.
        catalog: the products of the snapshot.
        pictures: what `inspect_pictures` found about each product.
        images: the snapshot's folder of pictures, named by SHA-256.
    """
    first = fill_unknown(catalog).drop_duplicates("product_id")
    place = {name: index for index, name in enumerate(first["product_id"])}

    def card(name: str) -> dict[str, Any] | None:
        """Returns a product for the macro `card`; None if its picture cannot be shown."""
        if name not in place:
            return None
        product = first.iloc[place[name]]
        try:
            return product_card(product, decode((images / str(product["sha256"])).read_bytes()))
        except (OSError, UnreadablePicture):
            return None

    def shown(rule: dict[str, Any]) -> dict[str, Any]:
        rows = zip(rule["examples"], rule["products"], strict=True)
        return rule | {
            "found": [
                {"words": words, "cards": list(filter(None, map(card, products)))}
                for words, products in rows
            ]
        }

    broken = [rule for rule in contract["rules"] if not rule["success"]]
    refused = pictures[~pictures["usable"].astype(bool)]
    write_page(
        path,
        TEMPLATE,
        contract=contract,
        broken=[shown(one) for one in sorted(broken, key=lambda one: one["severity"])],
        kept=[rule for rule in contract["rules"] if rule["success"]],
        refused=refused.head(REFUSED)[["product_id", "image", "reason"]].to_dict("records"),
        refused_count=len(refused),
    )
