"""Fetches the pictures of a shop that gives their URLs, each once."""

import asyncio
import hashlib
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import httpx

from ml.core.files import replacing
from ml.core.progress import Advance
from ml.snapshot.web.client import Web
from ml.snapshot.web.errors import NotFetched
from ml.snapshot.web.host import PER_HOST
from ml.snapshot.web.urls import parsed, without_secrets

LARGEST = 30_000_000  # bytes of a picture


def fetch_pictures(
    urls: Sequence[str], folder: Path, log: Callable[[str], None], advance: Advance
) -> dict[str, Path | None]:
    """Fetches pictures into a folder, where each is named by the SHA-256 of its URL.

    A file that is there is not fetched again, so a fetch that was cut off goes on where it was. A
    host gets at most two requests at once, has its robots.txt and its wishes to wait respected, and
    must be on the internet unless the environment variable VARIANTS_PICTURE_HOSTS names it as
    HOST:PORT. Proxies are those of the environment.

    Args:
        urls: http and https URLs; one that comes twice is fetched once.
        folder: where the files go; it is made if it does not exist.
        log: called with a line for each host and reason for which pictures are not fetched, and for
            each host that wants to be asked slowly. No line holds a URL's password or query.
        advance: called once for each distinct URL.

    Returns:
        The file of each URL, or None if it cannot be fetched.

    Raises:
        UserError: VARIANTS_PICTURE_HOSTS is wrong.
        OSError: a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {url: folder / hashlib.sha256(url.encode()).hexdigest() for url in urls}
    missing = [url for url, file in files.items() if not file.is_file()]
    if len(files) > len(missing):
        advance(len(files) - len(missing))
    failures = asyncio.run(_fetch(missing, files, log, advance)) if missing else {}
    for (host, reason), count in Counter(failures.values()).items():
        first = next(url for url, failure in failures.items() if failure == (host, reason))
        example = f", such as {without_secrets(first)}" if host else ""
        log(f"not fetched: {count} pictures{f' of {host}' if host else ''}: {reason}{example}")
    return {url: None if url in failures else file for url, file in files.items()}


async def _fetch(
    urls: Iterable[str], files: dict[str, Path], log: Callable[[str], None], advance: Advance
) -> dict[str, tuple[str, str]]:
    """Fetches URLs into their files; returns host and reason for each that is not fetched."""
    failures: dict[str, tuple[str, str]] = {}
    queues: dict[str, deque[tuple[str, httpx.URL]]] = {}
    for url in urls:
        try:
            place = parsed(url)
        except NotFetched as error:
            failures[url] = "", str(error)
            advance()
        else:
            queues.setdefault(place.netloc.decode("ascii"), deque()).append((url, place))

    async def work(host: str) -> None:
        while queues[host]:
            url, place = queues[host].popleft()
            try:
                content = await web.get(place, LARGEST)
                if not content:
                    raise NotFetched("the answer is empty")
            except NotFetched as error:
                failures[url] = host, str(error)
            else:
                with replacing(files[url]) as beside:
                    beside.write_bytes(content)
            advance()

    async with Web(log) as web:
        await asyncio.gather(*(work(host) for host in queues for _ in range(PER_HOST)))
    return failures
