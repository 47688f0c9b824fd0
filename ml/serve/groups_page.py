"""Writes a grouped catalogue: tables for machines and for spreadsheets, a page for people."""

from pathlib import Path

import pandas as pd

from ml.core.files import replacing, write_table
from ml.data.images import decode
from ml.pages.html import TEMPLATES, product_card, write_page
from ml.pages.spreadsheet import write_csv

TEMPLATE = TEMPLATES / "groups.html.j2"
SHOWN = 300  # groups on the page, at most; the table has all


def write_groups(
    products: pd.DataFrame, answer: pd.DataFrame, model: str, out: Path
) -> dict[str, int]:
    """Writes groups.parquet (product_id, group, score, band, problem), groups.csv and groups.html.

    Args:
        products: the catalogue; its column image holds the paths of pictures.
        answer: group, score, band and problem of each product, from
            `ml.serve.predictor.Predictor.group`; older models give no band.
        model: the model's name for the page.

    Returns:
        The numbers of products, of groups of two or more, of those among them to publish
        ("published"), of products in these groups ("grouped"), and of unreadable pictures.
    """
    products = products.reset_index(drop=True)
    table = pd.concat([products[["product_id"]], answer.reset_index(drop=True)], axis=1)
    several = [group for _, group in table.groupby("group", sort=True) if len(group) >= 2]
    several.sort(key=len, reverse=True)
    counts = {
        "products": len(table),
        "groups": len(several),
        "published": sum(_band(group) == "publish" for group in several),
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
        shown.append({"name": group["group"].iloc[0], "band": _band(group), "cards": cards})
    problems = table.loc[table["problem"].notna(), ["product_id", "problem"]].to_dict("records")
    # All are written before any appears, so that an interruption leaves no mixture of two answers.
    with (
        replacing(out / "groups.parquet") as parquet,
        replacing(out / "groups.csv") as text,
        replacing(out / "groups.html") as page,
    ):
        write_table(parquet, table)
        write_csv(text, table)
        write_page(page, TEMPLATE, groups=shown, model=model, counts=counts, problems=problems)
    return counts


def _band(group: pd.DataFrame) -> str:
    return str(group["band"].iloc[0]) if "band" in group else "review"
