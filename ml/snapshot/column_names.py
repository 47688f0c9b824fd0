"""The option --columns: how a shop names its columns."""

from ml.core.errors import UserError

NOTHING = "-"  # stands for a column that the shop does not have


def parse_columns(text: str) -> dict[str, str]:
    """Parses the option --columns, such as "sku=product_id,vendor=brand".

    Raises:
        UserError: a part has not the form SHOP=FORMAT.
    """
    columns = {}
    for part in text.split(",") if text else []:
        theirs, equals, ours = (one.strip() for one in part.partition("="))
        if not (theirs and equals and ours):
            raise UserError(
                f"--columns holds '{part}': write the shop's name of a column, '=' and the name in "
                f"the public format, such as sku=product_id, or {NOTHING}=gender for a column that "
                "the shop does not have"
            )
        columns[theirs if theirs != NOTHING else f"{NOTHING}{ours}"] = ours
    return columns
