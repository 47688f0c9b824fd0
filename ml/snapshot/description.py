"""The file shop.yaml and the option --columns: how the tables of a shop are to be read."""

from collections.abc import Sequence

import pandas as pd
import yaml
from pydantic import Field, ValidationError

from ml.core.errors import UserError
from ml.core.params import Params, describe
from ml.snapshot.column_names import NOTHING

LARGEST = 2**16  # bytes


class ShopDescription(Params):
    """What shop.yaml says, next to the tables of a shop."""

    columns: dict[str, str] = Field(
        default={}, description="the shop's name of a column → the name in the public format"
    )
    encoding: str | None = Field(default=None, description="of CSV tables; default UTF-8")
    delimiter: str | None = Field(
        default=None, min_length=1, max_length=1, description="of CSV tables; default: found out"
    )


def read_description(content: bytes | None, source: str) -> ShopDescription:
    """Reads the content of shop.yaml; None stands for a shop without this file.

    Raises:
        UserError: the file is too large, is not YAML, or says what it cannot say.
    """
    if content is None:
        return ShopDescription()
    if len(content) > LARGEST:
        raise UserError(f"shop.yaml of '{source}' has more than {LARGEST:,} bytes: shorten it")
    try:
        # Anchors could stand for more text than memory can hold.
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(content)):
            raise UserError(f"shop.yaml of '{source}' has YAML aliases (*name): write them out")
        return ShopDescription.model_validate(yaml.safe_load(content) or {})
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        said = describe(error) if isinstance(error, ValidationError) else str(error)
        raise UserError(
            f"shop.yaml of '{source}' cannot be used: {said}; it may name columns, encoding and "
            "delimiter (docs/data-format.md)"
        ) from error


def rename(
    table: pd.DataFrame, columns: dict[str, str], needed: Sequence[str], name: str
) -> pd.DataFrame:
    """Gives the columns of a table their names in the public format.

    Args:
        table: a table of a shop.
        columns: the shop's names → the format's. A name that begins with `NOTHING` adds a column of
            missing values.
        needed: columns that the table needs in the public format.
        name: of the file, for messages.

    Raises:
        UserError: two columns would have one name.
    """
    there = {theirs: ours for theirs, ours in columns.items() if theirs in table.columns}
    renamed = table.rename(columns=there)
    twins = renamed.columns[renamed.columns.duplicated()]
    if len(twins):
        old = [theirs for theirs in table.columns if there.get(theirs, theirs) == twins[0]]
        raise UserError(
            f"{name}: the columns {' and '.join(old)} would both be named {twins[0]}: name one of "
            f"them otherwise, such as --columns {old[0]}=old_{old[0]}"
        )
    blank = [ours for theirs, ours in columns.items() if theirs.startswith(NOTHING)]
    for column in blank:
        if column in needed and column not in renamed:
            renamed[column] = None
    return renamed


def suggestion(missing: Sequence[str], there: Sequence[str]) -> str:
    """Says how to name the columns that a table lacks."""
    alike = {_plain(one): one for one in there}
    guesses = [f"{alike.get(_plain(column), 'YOUR_COLUMN')}={column}" for column in missing]
    return (
        f"if they have other names, add --columns {','.join(guesses)}, or list them under "
        f"`columns` in a file shop.yaml beside it; {NOTHING}={missing[0]} stands for a column that "
        "the shop does not have"
    )


def _plain(name: str) -> str:
    return "".join(one for one in name.casefold() if one.isalnum())
