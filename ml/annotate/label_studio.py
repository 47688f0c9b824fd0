"""Pairs in the JSON of Label Studio, both ways: https://labelstud.io/guide/task_format

The labelling interface that goes with it is `templates/label_studio.xml`.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from ml.annotate.consensus import ANSWERS
from ml.core.errors import UserError

TEMPLATE = Path(__file__).parent / "templates/label_studio.xml"


class Said(NamedTuple):
    """An answer of a person, as Label Studio exports it.

    Attributes:
        left, right: ids of the products.
        person: email, name or number of the account.
        answer: of `ml.annotate.consensus.ANSWERS`.
        why: the comment; may be empty.
        when: ISO 8601; empty if the file does not say.
        batch: name of the batch that the pair was exported from; empty if the file does not say.
    """

    left: str
    right: str
    person: str
    answer: str
    why: str
    when: str
    batch: str = ""


def task(left: str, right: str, pictures: tuple[str, str], batch: str = "") -> dict[str, Any]:
    """Returns a task: two pictures to compare.

    Args:
        left, right: ids of the products, which come back with the answers, as does `batch`.
        pictures: URLs that Label Studio can open.
        batch: name of the pair's batch.
    """
    data = {"left": pictures[0], "right": pictures[1], "left_id": left, "right_id": right}
    return {"data": data | {"batch": batch}}


def accounts_in(content: Any, name: str) -> dict[int, str]:
    """Returns the names of accounts by their numbers, which is how exports name them.

    Args:
        content: what Label Studio's /api/users answers, parsed.
        name: of the file, for messages.

    Raises:
        UserError: it is no such list.
    """
    try:
        accounts = TypeAdapter(list[_Account]).validate_python(content)
    except ValidationError as error:
        raise UserError(
            f"{name}: {error.errors()[0]['msg']}: this is no list of accounts; save what Label "
            "Studio's page /api/users answers to somebody who is signed in"
        ) from error
    return {one.id: _name(one) for one in accounts if one.id is not None}


def said_in(content: Any, name: str, accounts: Mapping[int, str] = {}) -> Iterator[Said]:
    """Yields the answers of Label Studio's JSON export; skipped tasks say nothing.

    Args:
        content: the parsed file.
        name: of the file, for messages.
        accounts: see `accounts_in`; an account that is not among them is called by its number.

    Raises:
        UserError: the file is no such export, its tasks name no products, or an answer is none of
            the template's; the message names the task.
    """
    try:
        tasks = TypeAdapter(list[_Task]).validate_python(content)
    except ValidationError as error:
        first = error.errors()[0]
        place, *within = first["loc"] or ("none",)
        task = f", task {place + 1}" if isinstance(place, int) else ""
        where = ".".join(map(str, within))
        raise UserError(
            f"{name}{task}{', ' if where else ''}{where}: {first['msg']}: import the tasks that "
            "`variants annotate export --format label-studio` writes, and export the project as "
            "JSON (not JSON-MIN)"
        ) from error
    for place, one in enumerate(tasks, 1):
        for annotation in one.annotations:
            if not annotation.was_cancelled:
                yield _said(one.data, annotation, accounts, f"{name}, task {one.id or place}")


class _Value(BaseModel):
    choices: list[str] = []
    text: list[str] | str = []


class _Result(BaseModel):
    from_name: str = ""
    value: _Value


class _Account(BaseModel):
    id: int | None = None
    email: str = ""
    first_name: str = ""
    last_name: str = ""


class _Annotation(BaseModel):
    result: list[_Result]
    completed_by: int | str | _Account
    created_at: str = ""
    updated_at: str | None = None
    was_cancelled: bool = False


class _Data(BaseModel):
    left_id: str = Field(min_length=1)
    right_id: str = Field(min_length=1)
    batch: str = ""


class _Task(BaseModel):
    id: int | str | None = None
    data: _Data
    annotations: list[_Annotation]


def _said(data: _Data, annotation: _Annotation, accounts: Mapping[int, str], where: str) -> Said:
    found = {"answer": "", "why": ""}
    for one in annotation.result:
        if one.from_name in found:
            words = one.value.choices or one.value.text or ""
            found[one.from_name] = words if isinstance(words, str) else words[0]
    if found["answer"] not in ANSWERS:
        raise UserError(
            f"{where}: '{found['answer']}' is no answer: use the template whose choices are "
            f"{', '.join(ANSWERS)} (docs/how-to-annotate.md)"
        )
    by = annotation.completed_by
    by = accounts[by] if isinstance(by, int) and by in accounts else _name(by)
    when = annotation.updated_at or annotation.created_at
    return Said(data.left_id, data.right_id, by, **found, when=when, batch=data.batch)


def _name(account: int | str | _Account) -> str:
    """Returns the name of an account: its own, its email, or its number."""
    if isinstance(account, _Account):
        full = f"{account.first_name} {account.last_name}".strip()
        account = full or account.email or account.id or ""
    return f"account {account}" if isinstance(account, int) else account
