"""Reads requests over HTTP: untrusted bytes become a table of products, or are refused."""

import json
from typing import Annotated, Any

import pandas as pd
from pydantic import AfterValidator, AllowInfNan, BaseModel, ConfigDict, Strict, ValidationError

from ml.core.errors import UserError
from ml.data.schema import CATALOG_COLUMNS
from ml.serve.limits import Limits

RECORDS, SPLIT = "dataframe_records", "dataframe_split"  # MLflow's two forms of a table
VALUES = 20  # JSON values a product, at most: a body of nothing but brackets takes much memory
FAULTS = 3  # that a refusal names
SPLIT_IT = "ask in several requests, each of whole blocks (brand, gender, article type)"
Number = Annotated[float, Strict(), AllowInfNan(False)]


def _encodable(text: str) -> str:
    """Refuses half of a surrogate pair, which JSON can hold and Unicode cannot."""
    text.encode()
    return text


Text = Annotated[str, AfterValidator(_encodable)]


class Product(BaseModel):
    """A product of a request; other columns are left out."""

    image: str | None
    brand: Text | None
    gender: Text | None
    article_type: Text | None
    product_id: Annotated[int, Strict()] | Number | Text | None = None


class RequestParams(BaseModel):
    """The params of a request; see mlflow/serving.py."""

    model_config = ConfigDict(extra="forbid")

    output: str = "groups"
    threshold: Number = 0


def read_request(
    body: bytes, content_type: str | None, limits: Limits
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Reads a request's table and params.

    Args:
        body: JSON, an object with `dataframe_records` or `dataframe_split`, and maybe `params`.
        content_type: the header of this name.

    Returns:
        image, brand, gender, article_type and, if any product has one, product_id, of dtype object
        and as given; and the params, with their defaults.

    Raises:
        UserError: the body is too large, is no strict JSON, or holds something else.
    """
    if (content_type or "").partition(";")[0].strip().lower() != "application/json":
        raise UserError("send JSON, with the header Content-Type: application/json")
    most, rows = limits.request_bytes, limits.request_rows
    if len(body) > most:
        raise UserError(f"the request has more than the limit of {most:,} bytes: {SPLIT_IT}")
    if sum(map(body.count, (b",", b"[", b"{"))) > VALUES * (rows + 1):
        raise UserError(f"the request holds more values than {rows:,} products do: {SPLIT_IT}")
    try:
        content = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise UserError(f"the request is not JSON: {str(error)[:200]}") from error
    if not isinstance(content, dict) or len({RECORDS, SPLIT} & set(content)) != 1:
        raise UserError(f"the request must be a JSON object with either {RECORDS} or {SPLIT}")
    if others := set(content) - {RECORDS, SPLIT, "params"}:
        raise UserError(f"the request has the unknown parts {sorted(others)!r:.200}")
    records = content[RECORDS] if RECORDS in content else _records(content[SPLIT])
    if not isinstance(records, list):
        raise UserError(f"{RECORDS} must be a list of products")
    if len(records) > rows:
        raise UserError(f"the request has {len(records):,} products, over {rows:,}: {SPLIT_IT}")
    products = [_checked(Product, one, f"product {place}") for place, one in enumerate(records)]
    params = content.get("params")
    columns = [*CATALOG_COLUMNS]
    if not any("product_id" in one for one in records):
        columns.remove("product_id")
    return (
        pd.DataFrame(products, columns=columns, dtype=object),
        _checked(RequestParams, {} if params is None else params, "params"),
    )


def _refuse_constant(name: str) -> None:
    raise ValueError(f"it holds {name}")


def _records(split: Any) -> list[dict[str, Any]]:
    """Returns the records of a table whose names of columns are given once."""
    try:
        columns, rows = split["columns"], split["data"]
        if len(set(columns)) < len(columns):
            raise UserError(f"{SPLIT} names a column twice")
        return [dict(zip(columns, row, strict=True)) for row in rows]
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{SPLIT} must hold columns (a list of names) and data (a list of rows of as many "
            "values)"
        ) from error


def _checked(model: type[BaseModel], given: Any, what: str) -> dict[str, Any]:
    """Returns what a part of the request holds, as its model has it."""
    try:
        return model.model_validate(given).model_dump()
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, one['loc'])) or 'it'}: {one['msg']}"
            for one in error.errors(include_input=False, include_url=False)[:FAULTS]
        ]
        raise UserError(f"{what} does not hold: {'; '.join(faults)[:500]}") from error
