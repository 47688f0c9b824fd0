"""*H&M Personalized Fashion Recommendations* on Kaggle (105,000 articles of H&M).

https://www.kaggle.com/competitions/h-and-m-personalized-fashion-recommendations/data

It expects articles.csv and images/0XX/0XXXXXXXXX.jpg. The columns article_id, product_type_name,
prod_name and colour_group_name become product_id, article_type, title and base_colour; the brand is
H&M. The gender comes from index_group_name, or from section_name where the index group (Divided,
Sport) is no gender. All articles of one product_code are one design family. Ids have 10 digits; one
that a program has read as a number is mended.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from ml.core.errors import UserError
from ml.snapshot.layouts.base import Layout, Log, Picture, Product, text
from ml.snapshot.layouts.files import find_file, read_table
from ml.snapshot.layouts.genders import gender_in

COLUMNS = (
    "article_id",
    "product_code",
    "prod_name",
    "product_type_name",
    "index_group_name",
    "colour_group_name",
)
MORE = {
    "product_group_name": "product_group",
    "graphical_appearance_name": "graphical_appearance",
    "index_name": "index",
    "section_name": "section",
    "garment_group_name": "garment_group",
}
DIGITS = 10  # of an article_id; its first 7 are the product_code, the others the colour


def read(source: Path, log: Log) -> Iterator[Product]:
    """Reads the products; see `Layout`."""
    table = read_table(find_file(source, "articles.csv"), COLUMNS)
    mended = 0
    for line, row in zip(table.index, table.to_dict("records"), strict=True):
        # A number lacks leading zeros; a decimal ends in .0 as well.
        written = re.fullmatch(r"(\d{1,10})(\.0+)?", row["article_id"] or "", re.ASCII)
        if written is None:
            raise UserError(
                f"'{source}/articles.csv', line {line}: the article_id '{row['article_id']}' is no "
                f"number of {DIGITS} digits"
            )
        identity = written[1].zfill(DIGITS)
        mended += identity != row["article_id"]
        yield Product(
            identity,
            (Picture(f"{identity[:3]}/{identity}.jpg"),),
            "H&M",
            gender_in(row["index_group_name"]) or gender_in(row.get("section_name")),
            text(row["product_type_name"]),
            text(row["prod_name"]),
            text(row["colour_group_name"]),
            _design(row["product_code"]),
            {ours: text(row.get(theirs)) for theirs, ours in MORE.items()},
        )
    if mended:
        log(f"mended: {mended} values of article_id had lost their leading zeros")


def _design(code: object) -> str | None:
    written = text(code)
    if written is None:
        return None
    return re.sub(r"\.0+$", "", written).zfill(DIGITS - 3)


LAYOUT = Layout(read, "images")
