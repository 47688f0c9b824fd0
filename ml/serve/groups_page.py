"""A grouped catalogue: a table for machines and a page for people."""

from pathlib import Path

import pandas as pd

from ml.core.files import replacing
from ml.data.images import decode
from ml.pages.html import product_card, write_page

SHOWN = 300  # groups on the page, at most; the table has them all


def write_groups(
    products: pd.DataFrame, answer: pd.DataFrame, model: str, out: Path
) -> dict[str, int]:
    """Writes groups.csv (product_id, group, score, problem) and groups.html.

    Args:
        products: the catalogue, image being the path of the picture.
        answer: group, score and problem of each product, as `ml.serve.predictor.Predictor.group`
            gives them.
        model: named on the page.

    Returns:
        How many products there are, groups of two or more, products in these, and unreadable
        pictures.
    """
    products = products.reset_index(drop=True)
    table = pd.concat([products[["product_id"]], answer.reset_index(drop=True)], axis=1)
    with replacing(out / "groups.csv") as beside:
        table.to_csv(beside, index=False, float_format="%.6f", lineterminator="\n")
    several = [rows for _, rows in table.groupby("group", sort=True) if len(rows) >= 2]
    several.sort(key=len, reverse=True)
    counts = {
        "products": len(table),
        "groups": len(several),
        "grouped": sum(map(len, several)),
        "unreadable": int(table["problem"].notna().sum()),
    }
    shown = []
    for rows in several[:SHOWN]:
        cards = []
        for place, score in zip(rows.index.to_numpy(int), rows["score"], strict=True):
            product = products.iloc[place]
            cards.append(
                product_card(product, decode(Path(product["image"]).read_bytes()))
                | {"score": score}
            )
        shown.append({"name": rows["group"].iloc[0], "cards": cards})
    problems = table.loc[table["problem"].notna(), ["product_id", "problem"]].to_dict("records")
    write_page(
        out / "groups.html",
        "groups.html.j2",
        groups=shown,
        model=model,
        counts=counts,
        problems=problems,
    )
    return counts
