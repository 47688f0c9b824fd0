"""Asks web servers politely: few requests at once, with pauses, and as their robots.txt says."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from http import HTTPStatus
from urllib.robotparser import RobotFileParser

import httpx

from ml.core.errors import UserError
from ml.snapshot.web.addresses import PrivateAddress, addresses_of
from ml.snapshot.web.errors import NotFetched
from ml.snapshot.web.host import AGENT, Host, seconds_to_wait
from ml.snapshot.web.urls import name_of, parsed, port_of, proxy_of

HEADERS = {
    "User-Agent": f"{AGENT} (+https://github.com/color-variants/color-variants)",
    "Accept": "image/*, */*;q=0.5",
    "Accept-Encoding": "identity",  # a compressed answer could unpack to anything
}
AT_ONCE = 16  # requests at once to all hosts
REDIRECTS = 3
TRIES = 5
BACKOFF = 1.0  # seconds before the second try; doubled before each further one
PATIENCE = httpx.Timeout(20.0, connect=10.0)  # seconds without a byte
DEADLINE = 120.0  # seconds for a whole answer
LARGEST_ROBOTS = 500 * 1024  # bytes
BUSY = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
PASSING = (*BUSY, HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.BAD_GATEWAY, 504)
REDIRECTION = (301, 302, 303, 307, 308)


@dataclass(frozen=True)
class Answer:
    """The answer of a server.

    Attributes:
        status: the HTTP status.
        content: the body, if the status is 200.
        location: where a redirection leads.
        pause: seconds that the server asks to wait, or None.
    """

    status: int
    content: bytes = b""
    location: str | None = None
    pause: float | None = None


class Web:
    """The web servers of one import, as an asynchronous context manager."""

    def __init__(self, log: Callable[[str], None]) -> None:
        self.log = log
        self.hosts: dict[tuple[str, str, int], Host] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._certificates = httpx.create_ssl_context()
        self._clients = AsyncExitStack()

    async def __aenter__(self) -> "Web":
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._clients.aclose()

    def host(self, url: httpx.URL) -> Host:
        """Returns the web server that a URL names."""
        place = url.scheme, name_of(url), port_of(url)
        return self.hosts.setdefault(place, Host(url.netloc.decode("ascii"), self.log))

    async def get(self, url: httpx.URL, largest: int) -> bytes:
        """Fetches the content of a URL, as robots.txt permits, behind at most `REDIRECTS`.

        Args:
            url: an http or https URL.
            largest: limit of the content, in bytes.

        Raises:
            NotFetched: there is no such content; the message says why.
        """
        return await self._follow(url, largest, rules=True)

    async def _follow(self, url: httpx.URL, largest: int, rules: bool) -> bytes:
        for _ in range(1 + REDIRECTS):
            host = self.host(url)
            if rules:
                await self._permit(host, url)
            answer = await self._try(host, url, largest)
            if answer.location is None:
                if answer.status != HTTPStatus.OK:
                    raise NotFetched(_status(answer.status), answer.status)
                return answer.content
            url = parsed(answer.location, url)
        raise NotFetched(f"it is redirected more than {REDIRECTS} times")

    async def _permit(self, host: Host, url: httpx.URL) -> None:
        """Raises NotFetched if the host's robots.txt forbids a URL."""
        async with host.reading_rules:
            if host.rules is None and host.gone is None:
                await self._read_rules(host, url)
        if host.gone is not None:
            raise NotFetched(host.gone)
        assert host.rules is not None
        if not host.rules.can_fetch(AGENT, str(url)):
            raise NotFetched("the host's robots.txt forbids it")

    async def _read_rules(self, host: Host, url: httpx.URL) -> None:
        rules = RobotFileParser()
        lines: list[str] = []
        try:
            robots = url.copy_with(raw_path=b"/robots.txt")
            content = await self._follow(robots, LARGEST_ROBOTS, rules=False)
            lines = content.decode("utf-8", "replace").splitlines()
        except NotFetched as error:
            # After RFC 9309 a host without the file permits everything, and one that cannot give it
            # nothing.
            if error.status is None or error.status in PASSING:
                host.gone = f"its robots.txt: {error}" if error.status else str(error)
                return
        try:
            rules.parse(lines)
        except ValueError:  # of urllib, on a path that is no URL
            host.gone = "the host's robots.txt is not valid"
            return
        host.obey(rules)

    async def _try(self, host: Host, url: httpx.URL, largest: int) -> Answer:
        """Asks a host up to `TRIES` times for a URL, until it has answered and is not busy."""
        reason, status = "", None
        for attempt in range(TRIES):
            backoff = BACKOFF * 2**attempt
            async with host.slots:
                await host.turn()
                status = None
                try:
                    async with self._slots, asyncio.timeout(DEADLINE):
                        answer = await self._ask(host, url, largest)
                except TimeoutError:
                    reason = f"the host did not answer within {DEADLINE:.0f} s"
                except httpx.TimeoutException:
                    reason = "the host does not answer (timeout)"
                except OSError as error:  # of the look-up of the host's name
                    reason = f"the host is not known ({error.strerror})"
                    if error.errno == socket.EAI_NONAME:
                        host.gone = reason
                        raise NotFetched(reason) from error
                except ValueError as error:  # of sockets and ssl, for a name that none can have
                    raise NotFetched(f"it cannot be asked ({type(error).__name__})") from error
                except httpx.RequestError as error:
                    reason = f"the connection failed ({type(error).__name__})"
                else:
                    host.answered()
                    if answer.status not in PASSING:
                        return answer
                    reason, status = _status(answer.status), answer.status
                    if answer.status in BUSY:
                        host.pause(backoff if answer.pause is None else answer.pause)
                        continue
            if attempt + 1 < TRIES:
                await asyncio.sleep(backoff)
        if status is None:
            host.failed(reason)
        raise NotFetched(reason, status)

    async def _ask(self, host: Host, url: httpx.URL, largest: int) -> Answer:
        """Sends one request to an address of the host that may be asked."""
        proxy = proxy_of(url)
        try:
            if host.addresses is None:
                host.addresses = await addresses_of(name_of(url), port_of(url))
        except (OSError, UnicodeError) as error:
            if isinstance(error, UnicodeError):
                raise NotFetched("its host is no valid name") from error
            if proxy is None:
                raise
            host.addresses = []  # the proxy may know the host
        except PrivateAddress as error:
            raise NotFetched(
                "its host is on this machine or in a private network; if it is meant, name it in "
                "VARIANTS_PICTURE_HOSTS"
            ) from error
        if host.client is None:
            host.client = self._client(proxy)
            await self._clients.enter_async_context(host.client)
        if proxy is not None:
            return await self._read(host.client, url, {}, largest)
        # The address that was looked at is the one that is asked: the name stays in the header
        # Host and in the check of the certificate.
        extensions = {"sni_hostname": name_of(url)}
        *others, last = host.addresses
        for address in others:
            try:
                there = url.copy_with(host=address)
                return await self._read(host.client, there, extensions, largest, url)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        there = url.copy_with(host=last)
        return await self._read(host.client, there, extensions, largest, url)

    def _client(self, proxy: str | None) -> httpx.AsyncClient:
        try:
            # Of the environment it takes the proxy that is chosen here, and no passwords from
            # ~/.netrc.
            return httpx.AsyncClient(
                verify=self._certificates, timeout=PATIENCE, proxy=proxy, trust_env=False
            )
        except (ValueError, ImportError) as error:  # ImportError: SOCKS needs one more package
            raise UserError(
                "the proxy that the environment names (HTTP_PROXY, HTTPS_PROXY or ALL_PROXY) "
                f"cannot be used: {type(error).__name__}; name one such as http://HOST:PORT"
            ) from error

    async def _read(
        self,
        client: httpx.AsyncClient,
        url: httpx.URL,
        extensions: dict[str, str],
        largest: int,
        named: httpx.URL | None = None,
    ) -> Answer:
        headers = HEADERS | ({"Host": named.netloc.decode("ascii")} if named is not None else {})
        request = client.stream("GET", url, headers=headers, extensions=extensions)
        async with request as response:
            if response.status_code in REDIRECTION and "Location" in response.headers:
                return Answer(response.status_code, location=response.headers["Location"])
            if response.status_code != HTTPStatus.OK:
                wait = seconds_to_wait(response.headers.get("Retry-After"))
                return Answer(response.status_code, pause=wait)
            content = bytearray()
            async for chunk in response.aiter_bytes():
                content += chunk
                if len(content) > largest:
                    raise NotFetched(f"it has more than {largest / 1e6:.1f} MB")
            return Answer(HTTPStatus.OK, bytes(content))


def _status(status: int) -> str:
    """Names a status in the words of the standard: a server's own words may be anything."""
    known = {one.value: one.phrase for one in HTTPStatus}
    return f"{status} {known.get(status, '')}".strip()
