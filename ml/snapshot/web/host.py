"""One web server, and how it wants to be treated."""

import asyncio
import datetime
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from urllib.robotparser import RobotFileParser

import httpx

from ml.snapshot.web.errors import NotFetched

AGENT = "color-variants"  # our name in a robots.txt
PER_HOST = 2  # requests at once
LONGEST_PAUSE = 300.0  # seconds; a host that asks for more is left for another time
FOR_EVER = 10**9  # seconds
DEAD = 10  # failures in a row, after which a host is not asked any more


class Host:
    """One web server (scheme, name and port), and how it wants to be treated.

    Attributes:
        slots: limits the requests at once.
        rules: its robots.txt, once it is read.
        addresses: its IP addresses that may be asked, once they are known.
        gone: why the host is not asked any more, or None.
    """

    def __init__(self, name: str, log: Callable[[str], None]) -> None:
        self.name = name
        self.log = log
        self.slots = asyncio.Semaphore(PER_HOST)
        self.reading_rules = asyncio.Lock()
        self.rules: RobotFileParser | None = None
        self.addresses: list[str] | None = None
        self.gone: str | None = None
        self.client: httpx.AsyncClient | None = None
        self._failures = 0
        self._free_at = 0.0  # of time.monotonic()
        self._delay = 0.0  # seconds between requests

    async def turn(self) -> None:
        """Waits until the host may be asked.

        Raises:
            NotFetched: the host is not asked any more.
        """
        while (wait := self._free_at - time.monotonic()) > 0 and self.gone is None:
            await asyncio.sleep(wait)
        if self.gone is not None:
            raise NotFetched(self.gone)
        self._free_at = max(self._free_at, time.monotonic() + self._delay)

    def obey(self, rules: RobotFileParser) -> None:
        """Takes over the host's robots.txt."""
        self.rules = rules
        delay = int(rules.crawl_delay(AGENT) or 0)
        if delay > LONGEST_PAUSE:
            self.gone = f"its robots.txt wants {min(delay, FOR_EVER)} s between requests"
            return
        self._delay = float(delay)
        if self._delay:
            self.log(f"{self.name} wants {self._delay:.0f} s between pictures (robots.txt)")

    def pause(self, seconds: float) -> None:
        """Lets no request begin for a while, or for good if that is too long."""
        if seconds > LONGEST_PAUSE:
            self.gone = f"the host asks to come back in {seconds:.0f} s"
        self._free_at = max(self._free_at, time.monotonic() + seconds)

    def answered(self) -> None:
        """Notes that the host is alive."""
        self._failures = 0

    def failed(self, reason: str) -> None:
        """Notes that the host did not answer, however often it was asked."""
        self.addresses = None
        self._failures += 1
        if self._failures >= DEAD:
            self.gone = reason


def seconds_to_wait(header: str | None) -> float | None:
    """Reads the header Retry-After, a number of seconds or a date; None if it is neither."""
    if header is None:
        return None
    if header.strip().isdecimal():
        return float(header)
    try:
        then = parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return None
    if then.tzinfo is None:
        then = then.replace(tzinfo=datetime.UTC)
    return max(0.0, (then - datetime.datetime.now(datetime.UTC)).total_seconds())
