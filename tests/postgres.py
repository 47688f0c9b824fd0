"""A real PostgreSQL server for tests: Debian's programs, on a free port, in a folder of its own."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from servers import free_port


def program(name: str) -> str | None:
    """The path of a program of PostgreSQL, or None; Debian does not put them on PATH."""
    kept = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(kept[-1]) if kept else None)


needs_postgres = pytest.mark.skipif(
    program("initdb") is None,
    reason="there is no PostgreSQL here (Debian: apt install postgresql)",
)


@contextmanager
def running_postgres(*databases: str) -> Iterator[str]:
    """Runs a server with these databases while the block runs; yields its address."""
    # The user postgres may not enter the folders of pytest.
    folder = Path(tempfile.mkdtemp(prefix="variants-postgres-"))
    port = free_port()
    initdb, server = program("initdb"), program("postgres")
    assert initdb and server
    user: dict[str, Any] = {}
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        shutil.chown(folder, "postgres")
        user = {"user": "postgres"}
    data = folder / "data"
    subprocess.run(
        [initdb, "-D", data, "-U", "variants", "-A", "trust", "-E", "UTF8", "--no-sync"],
        check=True,
        cwd=folder,
        **user,
    )
    command = [server, "-D", str(data), "-p", str(port), "-k", str(folder)]
    for setting in ("listen_addresses=127.0.0.1", "fsync=off", "max_connections=200"):
        command += ["-c", setting]
    address = f"postgresql://variants@127.0.0.1:{port}"
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **user
    )
    try:
        wait_for(address)
        with closing(psycopg2.connect(f"{address}/postgres")) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                for name in databases:
                    cursor.execute(f"create database {name}")
        yield address
    finally:
        process.terminate()
        process.wait(timeout=60)
        shutil.rmtree(folder)


def wait_for(address: str) -> None:
    """Waits until PostgreSQL accepts connections."""
    for _ in range(300):
        try:
            psycopg2.connect(f"{address}/postgres").close()
            return
        except psycopg2.OperationalError:
            time.sleep(0.2)
    raise AssertionError(f"PostgreSQL does not answer at {address}")
