"""What the default DVC remote lacks of the cache, and how it gets there.

`python -m flows.local.remote_files HASH…` prints which of these the remote of the current folder
lacks, as JSON: a process of its own can be ended if the remote does not answer.
"""

import json
import logging
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from flows.local.clones import remote_of, using_cache
from flows.local.dvc_config import cache_of, place_in_cache
from flows.local.git import TOOLS, clean_environment
from flows.local.needed_objects import with_contents
from flows.local.pipeline import refusal_in
from ml.core.command import run_stage
from ml.core.errors import UserError

PATIENCE = 5.0  # seconds for the answer to a question of somebody who waits


@dataclass(frozen=True)
class Pushed:
    """What a push has copied to the remote.

    Attributes:
        files: number of files.
        bytes: their size.
        missing: hashes that neither the cache nor the remote has.
    """

    files: int
    bytes: int
    missing: frozenset[str]

    def __str__(self) -> str:
        return f"{self.files:,} files, {self.bytes / 1e6:,.1f} MB"


def push(root: Path, needs: Iterable[str]) -> Pushed:
    """Copies to the default remote what it lacks; what is there already is not copied again.

    A folder's list follows its files, so that the remote never names what it lacks.

    Args:
        root: top folder of a checkout.
        needs: hashes of files and folders.

    Raises:
        UserError: there is no remote, or it cannot be used, or a file cannot be copied.
    """
    from dvc.repo import Repo
    from dvc_data.hashfile.hash_info import HashInfo

    with using_cache(root):
        whole, unknown = with_contents(root, needs)
        cache = cache_of(root)
        absent = {md5 for md5 in whole if not place_in_cache(cache, md5).is_file()}
        missing = unknown | (lacking(root, absent) if absent else set())
        with remote_of(root), Repo(str(root)) as repo, _first_failure():
            infos = [HashInfo("md5", md5) for md5 in sorted(whole - absent)]
            copied = repo.cloud.push(infos).transferred if infos else set()
    sizes = [place_in_cache(cache, str(one.value)).stat().st_size for one in copied]
    return Pushed(len(sizes), sum(sizes), frozenset(missing))


def lacking(root: Path, md5s: Iterable[str]) -> set[str]:
    """Returns which files and folders the default remote lacks.

    Args:
        root: top folder of a checkout.
        md5s: hashes; those of folders end in `.dir`.

    Raises:
        UserError: there is no remote, or it cannot be asked.
    """
    with remote_of(root) as odb:
        asked = sorted(set(md5s))
        return set(asked) - set(odb.list_oids_exists(asked))


def lacking_soon(root: Path, md5s: Iterable[str]) -> set[str]:
    """Does what `lacking` does, within seconds.

    Raises:
        UserError: as of `lacking`, or the remote does not answer in time.
    """
    try:
        result = subprocess.run(
            [sys.executable, "-m", "flows.local.remote_files", *sorted(set(md5s))],
            cwd=root,
            env=clean_environment() | TOOLS,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise UserError(f"DVC's remote does not answer within {PATIENCE:.0f} seconds") from error
    if result.returncode:
        lines = result.stderr.splitlines()
        raise UserError(refusal_in(lines) or "\n".join(lines[-1:]))
    return set(json.loads(result.stdout))


@contextmanager
def _first_failure() -> Iterator[None]:
    """Raises the first of the errors that DVC logs when it cannot copy single files."""
    logger, errors = logging.getLogger("dvc_data.hashfile.transfer"), list[BaseException]()

    def note(record: logging.LogRecord) -> bool:
        if record.exc_info and record.exc_info[1]:
            errors.append(record.exc_info[1])
        return False

    logger.addFilter(note)
    try:
        yield
    finally:
        logger.removeFilter(note)
    if errors:
        raise errors[0]


def main(md5s: list[str]) -> None:
    """Prints which of MD5S the default remote of the current folder lacks, as JSON."""
    print(json.dumps(sorted(lacking(Path.cwd(), md5s))))


if __name__ == "__main__":
    run_stage(main)
