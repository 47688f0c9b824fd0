"""Writes a grouped catalogue: a table for machines and a page for people."""

from pathlib import Path

import pandas as pd

from ml.core.files import replacing
from ml.data.images import decode
from ml.pages.html import product_card, write_page

SHOWN = 300  # groups on the page, at most; the table has all


def write_groups(
    products: pd.DataFrame, answer: pd.DataFrame, model: str, out: Path
) -> dict[str, int]:
    """Writes groups.csv (product_id, group, score, problem) and groups.html.

    Args:
        products: the catalogue; its column image holds the paths of pictures.
        answer: group, score and problem of each product, from
            `ml.serve.predictor.Predictor.group`.
        model: the model's name for the page.

    Returns:
        The numbers of products, of groups of two or more, of products in these groups ("grouped"),
        and of unreadable pictures.
    """
    products = products.reset_index(drop=True)
    table = pd.concat([products[["product_id"]], answer.reset_index(drop=True)], axis=1)
    with replacing(out / "groups.csv") as beside:
        table.to_csv(beside, index=False, float_format="%.6f", lineterminator="\n")
    several = [group for _, group in table.groupby("group", sort=True) if len(group) >= 2]
    several.sort(key=len, reverse=True)
    counts = {
        "products": len(table),
        "groups": len(several),
        "grouped": sum(map(len, several)),
        "unreadable": int(table["problem"].notna().sum()),
    }
    shown = []
    for group in several[:SHOWN]:
        cards = []
        for index, score in zip(group.index.to_numpy(int), group["score"], strict=True):
            product = products.iloc[index]
            cards.append(
                product_card(product, decode(Path(product["image"]).read_bytes()))
                | {"score": score}
            )
        shown.append({"name": group["group"].iloc[0], "cards": cards})
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
