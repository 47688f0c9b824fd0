"""Decisions: what a person says about a pair; the newest word of each person counts."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pandas as pd
from sqlalchemy import Connection, Select, exists, func, insert, select

from flows.annotations.batches import Batch
from flows.annotations.database import (
    ASSIGNMENTS,
    BATCHES,
    DECISIONS,
    PAIRS,
    is_begun,
    reading,
    writing,
)
from flows.local.project import Project
from flows.registry.people import folded
from ml.annotate.consensus import ANSWERS
from ml.core.errors import UserError, visible
from ml.snapshot.folding import CONTROLS, fold

UNDONE = "undone"  # the answer that takes the person's word before it back
LONGEST = 500  # characters of a comment
COLUMNS = (
    "decision",
    "pair",
    "batch",
    "mode",
    "left",
    "right",
    "stratum",
    "probability",
    "person",
    "by",
    "answer",
    "when",
    "why",
)


@dataclass(frozen=True)
class Pair:
    """A pair of a batch, as people are asked about it.

    Attributes:
        id: unique.
        batch: id of its batch.
        position: within the batch, from 0.
        left, right: ids of the products.
        stratum, why: from where and why it was chosen.
    """

    id: int
    batch: int
    position: int
    left: str
    right: str
    stratum: str
    why: str


class Queue(NamedTuple):
    """What a person is still to answer of a batch.

    Attributes:
        pairs: the next ones.
        left: number of all of them.
        asked: of how many that this person is or was to answer.
    """

    pairs: list[Pair]
    left: int
    asked: int


PAIR = [PAIRS.c[one] for one in ("id", "batch", "position", "left", "right", "stratum", "why")]


def decide(project: Project, pair: int, by: str, answer: str, why: str = "") -> None:
    """Keeps what a person says about a pair; the same word again changes nothing.

    Raises:
        UserError: the answer is none, the comment is too long, or there is no such pair.
    """
    if answer not in ANSWERS:
        raise UserError(f"{visible(answer)!r:.100} is no answer: say {', '.join(ANSWERS)}")
    add_decisions(project, [{"pair": pair, "by": by, "answer": answer, "why": why}])


def add_decisions(project: Project, said: list[dict[str, Any]]) -> int:
    """Keeps many words at once: all or none; it raises as `decide`.

    Args:
        said: pair, by, answer and why; words of a file also have when (ISO 8601, UTC; "": the file
            does not say).

    Returns:
        How many words are new. Those that stand already are not kept again, nor those of a file
        that the person has said before, or later than it says something else.
    """
    now, added = datetime.now(UTC).isoformat(timespec="seconds"), 0
    with writing(project) as connection:
        known = set(connection.scalars(select(PAIRS.c.id)))
        earlier = _Earlier(connection) if any("when" in one for one in said) else None
        for one in said:
            if one["pair"] not in known:
                raise UserError(f"there is no pair {one['pair']}: begin again with its batch")
            # Controls that are white space part words: they are folded before controls go.
            why = fold(fold(one["why"]).translate(CONTROLS))
            if len(why) > LONGEST:
                raise UserError(f"the comment has more than {LONGEST} characters: shorten it")
            row = one | {"person": folded(one["by"]), "why": why, "when": one.get("when") or now}
            if earlier and "when" in one and earlier.has(row | {"when": one["when"]}):
                continue
            last = _last(connection, one["pair"], row["person"])
            if last is None or (last.answer, last.why) != (row["answer"], why):
                connection.execute(insert(DECISIONS).values(row))
                added += 1
    return added


class _Earlier:
    """What people have said about each two products of a catalogue, in whatever batch they are."""

    def __init__(self, connection: Connection) -> None:
        columns = (PAIRS.c.id, BATCHES.c.catalogue, PAIRS.c.left, PAIRS.c.right)
        pairs = connection.execute(select(*columns).select_from(PAIRS.join(BATCHES)))
        self._about = {number: (shop, frozenset(ends)) for number, shop, *ends in pairs}
        self._said: dict[Any, list[dict[str, Any]]] = {}
        for row in connection.execute(select(DECISIONS)).mappings():
            self._of(dict(row)).append(dict(row))

    def has(self, word: dict[str, Any]) -> bool:
        """Returns whether a person's word is none that is new, and remembers it otherwise."""
        said = self._of(word)
        if word["when"]:
            known = any(one["when"] >= word["when"] for one in said)
        else:
            known = any(
                one["answer"] == word["answer"] and word["why"] in ("", one["why"]) for one in said
            )
        if not known:
            said.append(word)
        return known

    def _of(self, word: dict[str, Any]) -> list[dict[str, Any]]:
        return self._said.setdefault((self._about[word["pair"]], word["person"]), [])


def undo(project: Project, decision: int, by: str, batch: Batch) -> Pair:
    """Takes a person's last word in a batch back, and returns its pair.

    Raises:
        UserError: it is not the person's last word there, or is taken back already.
    """
    with writing(project) as connection:
        if connection.scalar(_last_word(batch, by)) != decision:
            raise UserError(
                f"this is not your last answer in {batch.name} any more: look at the pair again"
            )
        row = connection.execute(select(DECISIONS).where(DECISIONS.c.id == decision)).one()
        values = {"pair": row.pair, "person": folded(by), "by": by, "answer": UNDONE, "why": ""}
        when = datetime.now(UTC).isoformat(timespec="seconds")
        connection.execute(insert(DECISIONS).values(values | {"when": when}))
        found = connection.execute(select(*PAIR).where(PAIRS.c.id == row.pair)).one()
        return Pair(**found._mapping)


def find_pair(project: Project, number: int) -> Pair:
    """Returns a pair by its id.

    Raises:
        UserError: there is none.
    """
    with reading(project) as connection:
        found = connection.execute(select(*PAIR).where(PAIRS.c.id == number)).first()
    if found is None:
        raise UserError(f"there is no pair {number}: begin again with its batch")
    return Pair(**found._mapping)


def pairs_of(project: Project, batch: Batch) -> pd.DataFrame:
    """Returns the pairs of a batch in their order: the columns of its table."""
    with reading(project) as connection:
        chosen = select(PAIRS).where(PAIRS.c.batch == batch.id).order_by(PAIRS.c.position)
        return pd.read_sql(chosen, connection)


def standing(project: Project, catalogue: str = "", batch: Batch | None = None) -> pd.DataFrame:
    """Returns the newest word of each person about each pair; what is taken back is none.

    Args:
        catalogue: of these batches only; empty: of all.
        batch: of this batch only.

    Returns:
        `COLUMNS`, in the order of batches and pairs, and of words about one pair.
    """
    if not is_begun(project):
        return pd.DataFrame(columns=list(COLUMNS))
    where = [BATCHES.c.catalogue == catalogue] if catalogue else []
    where += [PAIRS.c.batch == batch.id] if batch else []
    joined = DECISIONS.join(PAIRS, DECISIONS.c.pair == PAIRS.c.id).join(BATCHES)
    chosen = (
        select(
            DECISIONS.c.id.label("decision"),
            DECISIONS.c.pair,
            BATCHES.c.name.label("batch"),
            *(BATCHES.c[one] for one in ("mode",)),
            *(PAIRS.c[one] for one in ("left", "right", "stratum", "probability")),
            *(DECISIONS.c[one] for one in ("person", "by", "answer", "when", "why")),
        )
        .select_from(joined)
        .where(DECISIONS.c.id.in_(_newest()), DECISIONS.c.answer != UNDONE, *where)
        .order_by(PAIRS.c.batch, PAIRS.c.position, DECISIONS.c.id)
    )
    with reading(project) as connection:
        return pd.read_sql(chosen, connection)


def last_word(project: Project, batch: Batch, by: str) -> int | None:
    """Returns the id of a person's newest decision in a batch that stands, or None."""
    with reading(project) as connection:
        return connection.scalar(_last_word(batch, by))


def answered_by(project: Project, pair: int, by: str) -> str | None:
    """Returns the person's answer to a pair, if one stands."""
    with reading(project) as connection:
        last = _last(connection, pair, folded(by))
    return last.answer if last is not None and last.answer != UNDONE else None


def queue(project: Project, batch: Batch, by: str, limit: int = 2) -> Queue:
    """Returns the pairs of a batch that a person is still to answer.

    In a batch that was dealt to people, these are the person's own. In one that is open to
    everybody, they are the pairs that nobody has answered; each person begins elsewhere, so that
    two seldom look at one pair at once.

    Args:
        limit: number of pairs that are returned, at most.
    """
    person, within = folded(by), PAIRS.c.batch == batch.id
    own = select(ASSIGNMENTS.c.pair).where(ASSIGNMENTS.c.person == person)
    of_batch = select(PAIRS.c.id).where(within)
    with reading(project) as connection:
        dealt = connection.scalar(select(exists().where(ASSIGNMENTS.c.pair.in_(of_batch))))
        asked = (within, PAIRS.c.id.in_(own)) if dealt else (within,)
        newest = _newest().where(DECISIONS.c.pair.in_(of_batch))
        newest = newest.where(DECISIONS.c.person == person) if dealt else newest
        answered = select(DECISIONS.c.pair).where(
            DECISIONS.c.id.in_(newest), DECISIONS.c.answer != UNDONE
        )
        waits = (*asked, PAIRS.c.id.not_in(answered))
        count = connection.scalar(select(func.count()).where(*asked)) or 0
        left = connection.scalar(select(func.count()).where(*waits)) or 0
        begin = 0 if dealt else sum(person.encode()) % max(count, 1)
        order = (PAIRS.c.position < begin, PAIRS.c.position)
        rows = connection.execute(select(*PAIR).where(*waits).order_by(*order).limit(limit))
        return Queue([Pair(**row._mapping) for row in rows], left, count)


def counts(project: Project) -> dict[str, dict[str, int]]:
    """Returns for each batch, by its name, how many pairs it has, and how many are answered.

    Returns:
        {name: {"pairs", "answered": by one person or more}}, of batches with pairs.
    """
    standing = select(DECISIONS.c.pair).where(
        DECISIONS.c.id.in_(_newest()), DECISIONS.c.answer != UNDONE
    )
    answered = standing.distinct().subquery()
    chosen = (
        select(BATCHES.c.name.label("batch"), func.count().label("pairs"))
        .add_columns(func.count(answered.c.pair).label("answered"))
        .select_from(PAIRS.join(BATCHES).outerjoin(answered, answered.c.pair == PAIRS.c.id))
        .group_by(BATCHES.c.id, BATCHES.c.name)
        .order_by(BATCHES.c.id)
    )
    with reading(project) as connection:
        rows = connection.execute(chosen).all()
    return {name: {"pairs": pairs, "answered": answered} for name, pairs, answered in rows}


def dealt_to(project: Project, batch: Batch) -> dict[str, int]:
    """Returns how many pairs of a batch each person was dealt; {}: it is open to everybody."""
    chosen = (
        select(ASSIGNMENTS.c.by, func.count())
        .select_from(ASSIGNMENTS.join(PAIRS, ASSIGNMENTS.c.pair == PAIRS.c.id))
        .where(PAIRS.c.batch == batch.id)
        .group_by(ASSIGNMENTS.c.by)
        .order_by(ASSIGNMENTS.c.by)
    )
    with reading(project) as connection:
        return {str(name): int(count) for name, count in connection.execute(chosen)}


def dealt_pairs(project: Project) -> set[tuple[int, str]]:
    """Returns which pairs were dealt to whom: (id of the pair, folded name)."""
    with reading(project) as connection:
        rows = connection.execute(select(ASSIGNMENTS.c.pair, ASSIGNMENTS.c.person))
        return {(pair, person) for pair, person in rows}


def _newest() -> Select[Any]:
    """Selects the ids of the newest word of each person about each pair."""
    return select(func.max(DECISIONS.c.id)).group_by(DECISIONS.c.pair, DECISIONS.c.person)


def _last_word(batch: Batch, by: str) -> Select[Any]:
    """Selects what `last_word` returns."""
    return (
        select(DECISIONS.c.id)
        .select_from(DECISIONS.join(PAIRS, DECISIONS.c.pair == PAIRS.c.id))
        .where(
            DECISIONS.c.id.in_(_newest().where(DECISIONS.c.person == folded(by))),
            DECISIONS.c.answer != UNDONE,
            PAIRS.c.batch == batch.id,
        )
        .order_by(DECISIONS.c.id.desc())
        .limit(1)
    )


def _last(connection: Connection, pair: int, person: str) -> Any:
    """Returns the newest decision of a person about a pair, or None."""
    newest = (
        select(DECISIONS)
        .where(DECISIONS.c.pair == pair, DECISIONS.c.person == person)
        .order_by(DECISIONS.c.id.desc())
        .limit(1)
    )
    return connection.execute(newest).first()
