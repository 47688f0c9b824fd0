"""A full disk, told apart from other crashes: whoever sees it can make room."""

import errno
from collections.abc import Iterable, Iterator

WORDS = ("No space left on device", "database or disk is full", "Disk quota exceeded")  # the system's, sqlite's
FULL = "No space left on device: make room, and give the same command again; what was finished is kept"


def is_full(error: BaseException | None) -> bool:
    """Whether a full disk is behind an error."""
    return any(
        getattr(one, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or says_full([str(one)]) for one in _causes(error)
    )


def says_full(lines: Iterable[str]) -> bool:
    """Whether a command's output tells of a full disk."""
    return any(words in line for line in lines for words in WORDS)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
