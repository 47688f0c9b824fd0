"""Turns the errors of distant file systems into errors that say what to do."""

from collections.abc import Iterator
from contextlib import contextmanager

from ml.core.command import DISK_FULL
from ml.core.errors import UserError

OURS = ("builtins", "ml", "pandas", "pyarrow")  # packages whose errors are no server's


@contextmanager
def explained(source: str) -> Iterator[None]:
    """Explains why a shop at a URL cannot be read inside the block; a folder's errors stay.

    Raises:
        UserError: its server does not answer, or does not accept the credentials.
    """
    try:
        yield
    except Exception as error:
        foreign = type(error).__module__.partition(".")[0] not in OURS
        distant = "://" in source and (isinstance(error, OSError) or foreign)
        if isinstance(error, UserError) or not distant or _is_disk_full(error):
            raise
        raise UserError(
            f"the shop '{source}' cannot be read: {error}: see whether its server runs and the "
            "credentials are right, then give the same command again"
        ) from error


def _is_disk_full(error: Exception) -> bool:
    return any(words in str(error) for words in DISK_FULL)
