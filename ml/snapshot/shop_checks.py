"""Checks the tables of a shop: catalogue, annotated pairs, complete blocks, list of pictures."""

from collections.abc import Callable, Sequence

import pandas as pd

from ml.core.errors import UserError
from ml.data.schema import BLOCK, COMPLETE_BLOCK_COLUMNS, UNSURE_PAIR_COLUMNS
from ml.snapshot.likely_values import likely_value
from ml.snapshot.shop_paths import inside, is_web

LABELS = {
    **dict.fromkeys(("1", "1.0", "true", "t", "yes", "y"), 1),
    **dict.fromkeys(("0", "0.0", "false", "f", "no", "n"), 0),
}

Log = Callable[[str], None]


def check_catalog(
    table: pd.DataFrame, pictures: pd.DataFrame | None, source: str, log: Log
) -> pd.DataFrame:
    """Checks a catalogue; a product without an image gets the first of its pictures."""
    if table.empty:
        raise UserError(f"the catalogue of '{source}' has a header but no products")
    if pictures is not None:
        first = pictures.drop_duplicates("product_id").set_index("product_id")["image"]
        if "image" not in table:
            table["image"] = None
        blank = table["image"].isna()
        table.loc[blank, "image"] = table.loc[blank, "product_id"].map(first)
        table["image"] = table["image"].astype(object).where(table["image"].notna(), None)
    for image in table["image"].dropna():
        if not is_web(image):
            inside(image, source)
    for column in BLOCK:
        _warn_of_missing(table, column, log)
    ids = table["product_id"].dropna()
    shortened = ids[ids.str.fullmatch(r"\d(\.\d+)?E\+\d+", case=False)]
    if len(shortened):
        log(
            f"warning: {len(shortened)} ids are like {shortened.iloc[0]}: a spreadsheet has "
            "shortened them; export the table again with ids as text"
        )
    return table.reset_index(drop=True)


def _warn_of_missing(table: pd.DataFrame, column: str, log: Log) -> None:
    """Warns of products without a brand, gender or article type, with guesses by their titles."""
    empty = table[table[column].isna()]
    if empty.empty:
        return
    named = ", ".join(map(str, empty["product_id"][:10])) + (", …" if len(empty) > 10 else "")
    words = (
        f"warning: {len(empty)} products have no {column}: {named}; each is compared with the "
        f"other products of unknown {column} only"
    )
    known = table[column].value_counts().index.tolist()
    guesses = (
        [
            f"{product} {value}"
            for product, title in empty[["product_id", "title"]][:10].to_numpy()
            if isinstance(title, str) and (value := likely_value(title, known))
        ]
        if "title" in table and known
        else []
    )
    if guesses:
        words += f"; by their titles it may be: {', '.join(guesses)}"
    log(words)


def check_pictures(table: pd.DataFrame, source: str) -> pd.DataFrame:
    """Checks a list of pictures and sorts it; without a position the order of the rows counts."""
    for column in ("role", "position"):
        if column not in table:
            table[column] = None
    for line, image in table["image"].items():
        if image is None or table.at[line, "product_id"] is None:
            raise UserError(
                f"pictures of '{source}', {table.index.name} {line}: product_id and image "
                "must be filled in"
            )
        if not is_web(image):
            inside(image, source)
    numbers = pd.to_numeric(table["position"], errors="coerce")
    wrong = table.index[table["position"].notna() & ~(numbers.ge(1) & numbers.mod(1).eq(0))]
    if len(wrong):
        raise UserError(
            f"pictures of '{source}', {table.index.name} {wrong[0]}: the position "
            f"'{table.at[wrong[0], 'position']!s}' is no whole number from 1"
        )
    in_order = table.groupby("product_id").cumcount() + 1
    table["position"] = numbers.fillna(in_order.astype(float)).astype("Int32")
    order = ["product_id", "position", "image"]
    return table.sort_values(order, kind="stable").reset_index(drop=True)


def check_pairs(table: pd.DataFrame, source: str) -> pd.DataFrame:
    """Turns the labels of pairs into 1, 0 and missing values.

    Raises:
        UserError: a label is none; the message gives its line.
    """
    words = table["color_variants"]
    labels = words.map(lambda one: None if one is None else LABELS.get(one.casefold()))
    wrong = table.index[words.notna() & labels.isna()]
    if len(wrong):
        raise UserError(
            f"pairs of '{source}', {table.index.name} {wrong[0]}, column color_variants: "
            f"'{words.loc[wrong[0]]!s}' is no label; write 1, true or yes for the same design in "
            "another colour, else 0, false or no"
        )
    table["color_variants"] = labels.astype("Int8")
    return table.reset_index(drop=True)


def check_blocks(table: pd.DataFrame, source: str) -> pd.DataFrame:
    """Checks the products of complete blocks.

    Raises:
        UserError: a product or its design is missing, or a product comes twice; the message gives
            the line.
    """
    _refuse_blanks(table, "blocks", COMPLETE_BLOCK_COLUMNS, source)
    twice = table.index[table["product_id"].duplicated()]
    if len(twice):
        name = str(table.at[twice[0], "product_id"])
        first = table.index[table["product_id"] == name][0]
        raise UserError(
            f"blocks of '{source}', {table.index.name} {twice[0]}: product '{name}' is assigned to "
            f"a design in {table.index.name} {first} already: keep one of the two"
        )
    return table.reset_index(drop=True)


def check_unsure_pairs(
    table: pd.DataFrame, blocks: pd.DataFrame | None, source: str
) -> pd.DataFrame:
    """Checks the pairs of complete blocks that could not be decided.

    Args:
        table: left, right.
        blocks: the products of complete blocks; None: the shop has none.
        source: of the shop, for messages.

    Raises:
        UserError: a product is missing or in no complete block, or both are one product; the
            message gives the line.
    """
    _refuse_blanks(table, "blocks_unsure_pairs", UNSURE_PAIR_COLUMNS, source)
    known = set() if blocks is None else set(blocks["product_id"])
    for line, left, right in table[["left", "right"]].itertuples():
        where = f"blocks_unsure_pairs of '{source}', {table.index.name} {line}"
        if left == right:
            raise UserError(f"{where}: '{left}' is paired with itself: leave the row out")
        for name in (left, right):
            if name not in known:
                raise UserError(
                    f"{where}: the table blocks does not have the product '{name}': correct the "
                    "id, assign the product to a design there, or leave the row out"
                )
    return table.reset_index(drop=True)


def _refuse_blanks(table: pd.DataFrame, name: str, columns: Sequence[str], source: str) -> None:
    """Raises UserError if a value of these columns is missing."""
    for line in table.index[table[list(columns)].isna().any(axis=1)][:1]:
        raise UserError(
            f"{name} of '{source}', {table.index.name} {line}: {' and '.join(columns)} must be "
            "filled in"
        )
