"""One commit with all its files as one file of git: without history, for a clone that lacks it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from flows.local.git import git


def pack_commit(root: Path, file: Path) -> None:
    """Writes the last commit of a checkout into a file.

    Args:
        root: top folder of the checkout.
        file: the file.
    """
    commit = git(root, "rev-parse", "HEAD")
    with TemporaryDirectory() as place:
        git(root, "init", "--quiet", "--bare", place)
        # One object is few enough to be unpacked otherwise.
        whole = ["-c", "fetch.unpackLimit=1", "fetch", "--quiet", "--depth", "1"]
        git(Path(place), *whole, str(root), commit)
        (pack,) = Path(place, "objects/pack").glob("*.pack")
        shutil.copyfile(pack, file)


@contextmanager
def unpacked(content: bytes, commit: str) -> Iterator[Path]:
    """Makes a repository of a packed commit, from which it can be fetched while the block runs.

    Git computes the id of each object anew, so that a pack with other content lacks the commit.

    Args:
        content: of the file that `pack_commit` has written.
        commit: id of the commit.

    Raises:
        UserError: it is no pack.
    """
    with TemporaryDirectory() as place:
        git(Path(place), "init", "--quiet", "--bare")
        pack = Path(place, "objects/pack/commit.pack")
        pack.write_bytes(content)
        git(Path(place), "index-pack", str(pack))
        Path(place, "shallow").write_text(f"{commit}\n", encoding="ascii")
        yield Path(place)
