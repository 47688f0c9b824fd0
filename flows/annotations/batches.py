"""Batches: the pairs that people are asked about together, and who is asked about which."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd
from sqlalchemy import Connection, insert, select

from flows.annotations.database import ASSIGNMENTS, BATCHES, PAIRS, is_begun, reading, writing
from flows.local.project import Project
from flows.registry.people import folded
from ml.annotate.mode import Mode
from ml.core.errors import UserError, visible


@dataclass(frozen=True)
class Batch:
    """A batch.

    Attributes:
        id, name: each unique.
        catalogue, version: whose products they are, and of which version of its groups.
        model: that grouped this version.
        mode: "train" or "test", see docs/how-to-annotate.md.
        seed: with which the pairs were drawn.
        overlap: share of the pairs that two people are asked about.
        created: UTC, ISO 8601.
        by: who asked for it.
        frame: JSON, what the pairs were drawn from: `attrs["frame"]` of
            `ml.annotate.suggestion.suggest_train`; "" if they were not drawn.
    """

    id: int
    name: str
    catalogue: str
    version: int
    model: str
    mode: Mode
    seed: int
    overlap: float
    created: str
    by: str
    frame: str = ""


def add_batch(
    project: Project,
    facts: dict[str, Any],
    pairs: pd.DataFrame,
    dealt: list[tuple[int, str]],
) -> Batch:
    """Keeps a batch: all of it or nothing.

    Args:
        facts: the attributes of `Batch` but id, name and created; a "name" may be among them, else
            it is made of catalogue, mode and a number.
        pairs: left, right, stratum, probability (float, maybe NaN) and why, in the order in which
            people see them.
        dealt: (position, person), see `ml.annotate.assignment.assign`; empty: everybody is asked.

    Raises:
        UserError: there is a batch of this name.
    """
    with writing(project) as connection:
        known = set(connection.scalars(select(BATCHES.c.name)))
        prefix, number = f"{facts['catalogue']}-{facts['mode']}", 1
        while f"{prefix}-{number}" in known:
            number += 1
        named = {"name": f"{prefix}-{number}"} | facts
        if named["name"] in known:
            raise UserError(f"there is a batch '{visible(named['name'])}' already: name another")
        named["created"] = datetime.now(UTC).isoformat(timespec="seconds")
        key = connection.execute(insert(BATCHES).values(named)).inserted_primary_key
        batch = Batch(id=key[0] if key else 0, **named)
        _add_pairs(connection, batch.id, pairs, dealt)
    return batch


def batches(project: Project) -> list[Batch]:
    """Returns all batches, the oldest first."""
    if not is_begun(project):
        return []
    with reading(project) as connection:
        rows = connection.execute(select(BATCHES).order_by(BATCHES.c.id))
        return [Batch(**row._mapping) for row in rows]


def find_batch(project: Project, name: str) -> Batch:
    """Returns the batch of a name.

    Raises:
        UserError: there is none.
    """
    known = batches(project)
    for one in known:
        if one.name == name:
            return one
    there = ", ".join(one.name for one in known) or "none yet"
    raise UserError(
        f"no batch is named {visible(name)!r:.100}; there are: {there}. `variants annotate "
        "suggest` makes one"
    )


def _add_pairs(
    connection: Connection, batch: int, pairs: pd.DataFrame, dealt: list[tuple[int, str]]
) -> None:
    rows = [
        {
            "batch": batch,
            "position": place,
            **{one: row[one] for one in ("left", "right", "stratum", "why")},
            "probability": None if pd.isna(row["probability"]) else float(row["probability"]),
        }
        for place, row in enumerate(pairs.to_dict("records"))
    ]
    if not rows:
        return
    made = insert(PAIRS).returning(PAIRS.c.id, sort_by_parameter_order=True)
    ids = connection.scalars(made, rows).all()
    if dealt:
        connection.execute(
            insert(ASSIGNMENTS),
            [{"pair": ids[place], "person": folded(one), "by": one} for place, one in dealt],
        )
