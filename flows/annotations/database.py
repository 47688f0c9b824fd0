"""The database of annotations: SQLite in the project, or PostgreSQL by URL.

Nothing in it is ever changed or deleted: what is taken back is a later row.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from filelock import FileLock
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    create_engine,
    event,
    make_url,
    text,
)
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from flows.local.project import Project
from ml.core.errors import UserError

VARIABLE = "VARIANTS_ANNOTATIONS"
FILE = "annotations.db"
DRIVER = "postgresql+psycopg2"  # of the extra `servers`; SQLAlchemy's default is another one
PATIENCE = 30  # seconds that a writer waits for another one
NUMBERS = 2**31  # from which on no whole number fits its columns
ONE_WRITER = 4_711_022  # number of PostgreSQL's lock that a transaction holds while it writes

TABLES = MetaData()
BATCHES = Table(
    "batches",
    TABLES,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("catalogue", Text, nullable=False),
    Column("version", Integer, nullable=False),  # of the catalogue's groups
    Column("model", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("seed", Integer, nullable=False),
    Column("overlap", Float, nullable=False),
    Column("created", Text, nullable=False),  # ISO 8601, UTC
    Column("by", Text, nullable=False),
    Column("frame", Text, nullable=False, default=""),
)
PAIRS = Table(
    "pairs",
    TABLES,
    Column("id", Integer, primary_key=True),
    Column("batch", ForeignKey("batches.id"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("left", Text, nullable=False),
    Column("right", Text, nullable=False),
    Column("stratum", Text, nullable=False),
    Column("probability", Float),  # of inclusion; NULL where nobody can tell
    Column("why", Text, nullable=False),
    UniqueConstraint("batch", "position"),
)
ASSIGNMENTS = Table(
    "assignments",
    TABLES,
    Column("pair", ForeignKey("pairs.id"), primary_key=True),
    Column("person", Text, primary_key=True),  # as `flows.registry.people.folded` writes names
    Column("by", Text, nullable=False),  # the name as it is shown
)
DECISIONS = Table(
    "decisions",
    TABLES,
    Column("id", Integer, primary_key=True),
    Column("pair", ForeignKey("pairs.id"), nullable=False),
    Column("person", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("when", Text, nullable=False),
    Column("why", Text, nullable=False),
    Index("newest_word", "pair", "person", "id"),
)


@contextmanager
def reading(project: Project) -> Iterator[Connection]:
    """Opens the database to read it; it raises as `writing`."""
    with _explained(), _engine(_url(project)).connect() as connection:
        yield connection


@contextmanager
def writing(project: Project) -> Iterator[Connection]:
    """Opens the database for one transaction, which is kept when the block ends without an error.

    Writers wait for each other. What was kept survives a kill and a loss of power.

    Raises:
        UserError: the database cannot be opened or does not answer; no credentials are in it.
    """
    engine = _engine(_url(project)).execution_options(writes=True)
    with _explained(), engine.begin() as connection:
        _wait_for_writers(connection)
        yield connection


def is_begun(project: Project) -> bool:
    """Returns whether there may be annotations: nobody needs a database to find none."""
    return bool(os.environ.get(VARIABLE)) or (project.room / FILE).is_file()


def _url(project: Project) -> str:
    return os.environ.get(VARIABLE) or f"sqlite:///{project.room / FILE}"


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, ImportError, OSError) as error:
        words = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise UserError(
            f"the database of annotations cannot be used: {words}: check {VARIABLE}, or leave it "
            f"unset for .variants/{FILE}"
        ) from error


@cache  # an engine holds the connections of this process
def _engine(url: str) -> Engine:
    try:
        named = make_url(url)
        if named.drivername == "postgresql":
            named = named.set(drivername=DRIVER)
        engine = create_engine(named, pool_pre_ping=True)
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise UserError(
            f"{VARIABLE} is no URL of a database: write sqlite:////FOLDER/{FILE} or "
            "postgresql://USER:PASSWORD@HOST/DATABASE"
        ) from error
    if engine.dialect.name == "sqlite" and not engine.url.database:
        raise UserError(f"{VARIABLE} names no file: write sqlite:////FOLDER/{FILE}")
    if engine.dialect.name == "sqlite":
        _prepare_sqlite(engine)
    else:
        with engine.begin() as connection:
            _wait_for_writers(connection)
            TABLES.create_all(connection)
    return engine


def _wait_for_writers(connection: Connection) -> None:
    """Lets one transaction write at a time; SQLite does it by itself, see `_prepare_sqlite`."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": ONE_WRITER})


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def connected(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # this module begins transactions, not the driver
        for pragma in (
            f"busy_timeout = {PATIENCE * 1000}",
            "journal_mode = wal",  # readers do not wait for writers
            "synchronous = full",
            "foreign_keys = on",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    file = Path(engine.url.database or "")
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(file.with_name(f".{file.name}.lock")), engine.begin() as connection:
        TABLES.create_all(connection)
