"""Pictures by URL are fetched once, whole and politely, and never from this machine's own network.

The servers are real ones on loopback, which only VARIANTS_PICTURE_HOSTS makes reachable.
"""

import gzip
import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from conftest import ROOT

from ml.core.errors import UserError
from ml.snapshot.fetch import fetch_pictures
from ml.snapshot.web import client
from ml.snapshot.web.addresses import ALLOWED, is_public
from ml.snapshot.web.client import HEADERS
from ml.snapshot.web.host import seconds_to_wait
from ml.snapshot.web.urls import without_secrets

Answer = tuple[int, dict[str, str], bytes]
SECRET = "hunter2"


class Server(ThreadingHTTPServer):
    """A server on loopback that answers as `answers` says and notes what it was asked.

    Attributes:
        answers: path → status, headers and body, or a function of how often the path was asked for
            (from 1) that returns these; other paths answer 200 with the path as the body, and
            /robots.txt answers 404.
        asked: the paths in the order of the requests.
        most: the highest number of requests at once.
        agents: the values of the header User-Agent.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, Answer | Callable[[int], Answer]] = {}
        self.asked: list[str] = []
        self.most = self.now = 0
        self.agents: set[str | None] = set()
        self.headers: list[dict[str, str]] = []
        self.lock = threading.Lock()
        self.hold = 0.0  # seconds that each answer takes
        threading.Thread(target=self.serve_forever, args=[0.02], daemon=True).start()

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    def url(self, path: str) -> str:
        return f"http://{self.place}{path}"

    def pictures(self) -> Counter[str]:
        return Counter(path for path in self.asked if path != "/robots.txt")


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server = self.server
        with server.lock:
            server.asked.append(self.path)
            server.agents.add(self.headers["User-Agent"])
            server.headers.append(dict(self.headers))
            server.now += 1
            server.most = max(server.most, server.now)
            count = server.asked.count(self.path)
        missing = (404, {}, b"") if self.path == "/robots.txt" else None
        answer = server.answers.get(self.path, missing or (200, {}, self.path.encode()))
        status, headers, body = answer(count) if callable(answer) else answer
        time.sleep(server.hold)
        try:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            pass  # the client has gone
        finally:
            with server.lock:
                server.now -= 1

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture
def make_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Server]]:
    """Starts servers; those made with `named=False` are not in VARIANTS_PICTURE_HOSTS."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        for one in (name, name.upper()):
            monkeypatch.delenv(one, raising=False)
    monkeypatch.setattr(client, "BACKOFF", 0.01)
    servers: list[Server] = []
    named: list[str] = []

    def make(allowed: bool = True) -> Server:
        servers.append(Server())
        if allowed:
            named.append(servers[-1].place)
        monkeypatch.setenv(ALLOWED, ",".join(named))
        return servers[-1]

    yield make
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def server(make_server: Callable[..., Server]) -> Server:
    return make_server()


class Fetch:
    """What one call of `fetch_pictures` gave.

    Attributes:
        files: its result.
        log: its lines.
        done: how often it called `advance`, by count.
    """

    def __init__(self, urls: list[str], folder: Path) -> None:
        self.log: list[str] = []
        self.done = 0
        self.files = fetch_pictures(urls, folder, self.log.append, self.advance)

    def advance(self, count: int = 1) -> None:
        self.done += count

    def refused(self, *words: str) -> None:
        assert set(self.files.values()) == {None}
        for word in words:
            assert word in "\n".join(self.log)


def test_each_url_is_fetched_once_into_a_file_named_by_its_hash(
    server: Server, tmp_path: Path
) -> None:
    urls = [server.url(f"/{one}.jpg") for one in "abcabc"]
    fetch = Fetch(urls, tmp_path / "web")
    assert server.pictures() == {"/a.jpg": 1, "/b.jpg": 1, "/c.jpg": 1}
    for url in urls:
        file = fetch.files[url]
        assert file == tmp_path / "web" / hashlib.sha256(url.encode()).hexdigest()
        assert file.read_bytes() == url[-6:].encode()
    assert fetch.done == 3
    assert fetch.log == []
    assert len(list((tmp_path / "web").iterdir())) == 3


def test_what_is_there_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    Fetch([server.url("/a.jpg")], tmp_path)
    again = Fetch([server.url("/a.jpg"), server.url("/b.jpg")], tmp_path)
    assert server.pictures() == {"/a.jpg": 1, "/b.jpg": 1}
    assert again.done == 2
    asked = len(server.asked)
    Fetch([server.url("/a.jpg")], tmp_path)
    assert len(server.asked) == asked  # not even for robots.txt


def test_a_host_gets_at_most_two_requests_at_once_from_an_agent_with_a_name(
    server: Server, tmp_path: Path
) -> None:
    server.hold = 0.05
    Fetch([server.url(f"/{number}") for number in range(8)], tmp_path)
    assert server.most == 2
    assert server.agents == {HEADERS["User-Agent"]}
    assert "color-variants" in HEADERS["User-Agent"]


def test_hosts_do_not_wait_for_one_another(
    make_server: Callable[..., Server], tmp_path: Path
) -> None:
    busy, other = make_server(), make_server()
    busy.answers["/a"] = lambda count: (
        (429, {"Retry-After": "1"}, b"") if count == 1 else (200, {}, b"a")
    )
    done: list[float] = []
    begun = time.monotonic()
    fetch_pictures(
        [busy.url("/a"), *(other.url(f"/{number}") for number in range(20))],
        tmp_path,
        print,
        lambda count=1: done.append(time.monotonic() - begun),
    )
    assert done[-2] < done[-1] - 0.2
    assert len(other.pictures()) == 20


def test_a_fetch_that_was_killed_goes_on_and_leaves_no_half_file(
    server: Server, tmp_path: Path
) -> None:
    body = os.urandom(200_000)
    urls = [server.url(f"/{number}") for number in range(30)]
    server.answers |= {f"/{number}": (200, {}, body) for number in range(30)}
    server.hold = 0.05
    code = (
        "import sys; from pathlib import Path; from ml.snapshot.fetch import fetch_pictures;"
        "fetch_pictures(sys.argv[2:], Path(sys.argv[1]), print, lambda count=1: None)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), *urls], cwd=ROOT)
    while sum(server.pictures().values()) < 8 and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    whole = [file for file in tmp_path.iterdir() if not file.name.startswith(".")]
    assert 0 < len(whole) < 30
    assert all(file.read_bytes() == body for file in whole)
    server.hold = 0.0
    before = server.pictures()
    fetch = Fetch(urls, tmp_path)
    assert all(file is not None and file.read_bytes() == body for file in fetch.files.values())
    assert sum(server.pictures().values()) - sum(before.values()) == 30 - len(whole)


@pytest.mark.parametrize("status", [404, 410, 403, 204, 304])
def test_a_picture_that_is_not_there_is_none_and_said_once(
    server: Server, tmp_path: Path, status: int
) -> None:
    for path in ("/gone", "/away"):
        server.answers[path] = (status, {}, b"")
    fetch = Fetch([server.url("/gone"), server.url("/here"), server.url("/away")], tmp_path)
    assert [file is None for file in fetch.files.values()] == [True, False, True]
    assert len(fetch.log) == 1
    assert f"2 pictures of {server.place}: {status}" in fetch.log[0]
    assert "/gone" in fetch.log[0] or "/away" in fetch.log[0]
    assert fetch.done == 3


@pytest.mark.parametrize(
    ("status", "header"), [(429, "seconds"), (503, "date"), (429, "none"), (503, "nonsense")]
)
def test_a_busy_host_is_left_alone_for_as_long_as_it_asks(
    server: Server, tmp_path: Path, status: int, header: str
) -> None:
    waits = {"seconds": "1", "date": formatdate(time.time() + 2, usegmt=True), "nonsense": "soon"}
    headers = {"Retry-After": waits[header]} if header in waits else {}
    times: list[float] = []

    def answer(count: int) -> Answer:
        times.append(time.monotonic())
        return (status, headers, b"") if count == 1 else (200, {}, b"now")

    server.answers["/busy"] = answer
    fetch = Fetch([server.url("/busy")], tmp_path)
    assert fetch.files[server.url("/busy")] is not None
    assert len(times) == 2
    if header in ("seconds", "date"):
        assert times[1] - times[0] > 0.9


def test_a_host_that_stays_busy_or_asks_for_too_long_is_given_up(
    make_server: Callable[..., Server], tmp_path: Path
) -> None:
    busy, long = make_server(), make_server()
    busy.answers["/a"] = (503, {}, b"")
    long.answers["/a"] = (429, {"Retry-After": "86400"}, b"")
    paths = ["/a", "/b", "/c", "/d", "/e"]
    Fetch([busy.url("/a")], tmp_path).refused("503 Service Unavailable")
    assert busy.pictures()["/a"] == client.TRIES
    Fetch([long.url(path) for path in paths], tmp_path).log[0].index("86400 s")
    assert sum(long.pictures().values()) <= 3


def test_a_slow_host_does_not_hold_the_import_for_ever(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "DEADLINE", 0.2)
    monkeypatch.setattr(client, "TRIES", 2)
    server.answers["/robots.txt"] = (404, {}, b"")
    Fetch([server.url("/quick")], tmp_path)
    server.hold = 1.0
    fetch = Fetch([server.url("/slow")], tmp_path)
    fetch.refused("did not answer within")


def test_a_host_that_is_away_is_not_asked_for_every_picture(server: Server, tmp_path: Path) -> None:
    server.shutdown()
    server.server_close()
    urls = [server.url(f"/{number}") for number in range(500)]
    fetch = Fetch(urls, tmp_path)
    fetch.refused("500 pictures", "the connection failed")
    assert len(fetch.log) == 1


def test_redirects_are_followed_three_times(
    make_server: Callable[..., Server], tmp_path: Path
) -> None:
    server, other = make_server(), make_server()
    server.answers |= {
        "/1": (302, {"Location": "/2"}, b""),
        "/2": (301, {"Location": other.url("/3")}, b""),
        "/loop": (307, {"Location": "/loop"}, b""),
        "/lost": (302, {}, b""),
        "/odd": (302, {"Location": "http://host:nine/"}, b""),
        "/file": (302, {"Location": "file:///etc/passwd"}, b""),
    }
    other.answers["/3"] = (308, {"Location": "/4"}, b"")
    fetch = Fetch([server.url(path) for path in server.answers if path != "/2"], tmp_path)
    assert fetch.files[server.url("/1")].read_bytes() == b"/4"  # type: ignore[union-attr]
    assert server.pictures()["/loop"] == 4
    assert [fetch.files[server.url(path)] for path in ("/loop", "/lost", "/odd", "/file")] == [
        None
    ] * 4
    said = "\n".join(fetch.log)
    for words in ("more than 3 times", "302 Found", "ProtocolError", "no http or https URL"):
        assert words in said


def test_a_redirect_to_this_machine_is_refused(
    make_server: Callable[..., Server], tmp_path: Path
) -> None:
    shop, own = make_server(), make_server(allowed=False)
    targets = [own.url("/secret"), f"http://localhost:{own.server_port}/secret"]
    for number, target in enumerate(targets):
        shop.answers[f"/{number}"] = (302, {"Location": target}, b"")
    fetch = Fetch([shop.url(f"/{number}") for number in range(len(targets))], tmp_path)
    fetch.refused("in a private network", ALLOWED)
    assert own.asked == []


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "0", "[::1]", "[::ffff:127.0.0.1]"],
)
def test_this_machine_is_not_asked_however_it_is_spelled(
    make_server: Callable[..., Server], tmp_path: Path, host: str
) -> None:
    own = make_server(allowed=False)
    fetch = Fetch([f"http://{host}:{own.server_port}/secret"], tmp_path)
    assert set(fetch.files.values()) == {None}
    assert own.asked == []


def test_a_name_that_leads_elsewhere_the_second_time_is_not_looked_up_again(
    make_server: Callable[..., Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address that was checked is the one that is asked, with the name in the header Host."""
    server = make_server(allowed=False)
    monkeypatch.setattr("ml.snapshot.web.addresses.is_public", lambda address: True)
    looked = []

    def answers(host: str, port: int, *rest: object, **more: object) -> list[tuple[object, ...]]:
        if host == "shop.example":
            looked.append(host)
            host = "127.0.0.1"
        return lookup(host, port, *rest, **more)

    lookup = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", answers)
    url = f"http://shop.example:{server.server_port}/a"
    assert Fetch([url], tmp_path).files[url] is not None
    assert looked == ["shop.example"]
    assert {one["Host"] for one in server.headers} == {f"shop.example:{server.server_port}"}


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True),
        ("2606:4700::6810:84e5", True),
        ("10.0.0.1", False),
        ("172.16.3.4", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
    ],
)
def test_addresses_of_private_networks_are_known(address: str, public: bool) -> None:
    assert is_public(address) == public


def test_a_wrong_list_of_hosts_is_refused(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ALLOWED, "media.local")
    with pytest.raises(UserError, match="HOST:PORT"):
        Fetch([server.url("/a")], tmp_path)


def test_a_picture_may_not_be_huge_nor_unpack_to_something_huge(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml.snapshot.fetch.LARGEST", 100_000)
    server.answers["/plain"] = (200, {}, bytes(100_001))
    server.answers["/packed"] = (
        200,
        {"Content-Encoding": "gzip"},
        gzip.compress(bytes(5_000_000)),
    )
    fetch = Fetch([server.url("/plain"), server.url("/packed")], tmp_path)
    fetch.refused("2 pictures", "more than 0.1 MB")
    assert list(tmp_path.iterdir()) == []


def test_robots_txt_is_obeyed(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answers["/robots.txt"] = (
        200,
        {},
        b"User-agent: *\nDisallow: /private/\n\nUser-agent: other\nDisallow: /\n",
    )
    urls = [server.url("/private/a"), server.url("/shown/a")]
    fetch = Fetch(urls, tmp_path)
    assert fetch.files[urls[0]] is None
    assert fetch.files[urls[1]] is not None
    assert "robots.txt forbids it" in fetch.log[0]
    assert server.asked.count("/robots.txt") == 1
    assert "/private/a" not in server.asked


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ((500, {}, b""), "its robots.txt: 500"),
        ((200, {}, b"User-agent: *\nDisallow: //[x\n"), "robots.txt is not valid"),
        ((200, {}, b"User-agent: *\nCrawl-delay: 86400\n"), "86400 s between requests"),
        ((200, {}, b"User-agent: *\nCrawl-delay: " + b"9" * 400), "s between requests"),
        ((200, {}, b"User-agent: *\nCrawl-delay: " + b"9" * 5000), "is not valid"),
        ((429, {"Retry-After": "9" * 400}, b""), "come back in inf s"),
    ],
)
def test_a_host_whose_rules_cannot_be_kept_is_not_asked(
    server: Server, tmp_path: Path, rules: Answer, words: str
) -> None:
    server.answers["/robots.txt"] = rules
    Fetch([server.url("/a"), server.url("/b")], tmp_path).refused(words)
    assert server.pictures() == {}


def test_a_host_is_asked_as_slowly_as_its_rules_say(server: Server, tmp_path: Path) -> None:
    server.answers["/robots.txt"] = (200, {}, b"User-agent: *\nCrawl-delay: 1\n")
    begun = time.monotonic()
    fetch = Fetch([server.url("/a"), server.url("/b")], tmp_path)
    assert time.monotonic() - begun > 0.9
    assert None not in fetch.files.values()
    assert "1 s between pictures" in fetch.log[0]


def test_no_secret_of_a_url_is_logged(server: Server, tmp_path: Path) -> None:
    port = server.server_port
    server.answers[f"/a?signature={SECRET}"] = (404, {}, b"")
    fetch = Fetch([f"http://ada:{SECRET}@127.0.0.1:{port}/a?signature={SECRET}"], tmp_path)
    fetch.refused("404", f"http://127.0.0.1:{port}/a")
    assert SECRET not in "\n".join(fetch.log)
    odd = Fetch([f"http://ada:{SECRET}@127.0.0.1:nine/a"], tmp_path)
    assert SECRET not in "\n".join(odd.log)
    assert without_secrets("http://h/\u202e[31m" + "a" * 900).isprintable()


@pytest.mark.parametrize(
    "url",
    [
        *("", "ftp://host/a", "file:///etc/passwd", "http://", "http://[", "a\nb", "http:///a"),
        *("http://127.0.0.1:99999/", "http://127.0.0.1:0/", "http://h:nine/", "http://h%2fh/"),
    ],
)
def test_what_is_no_url_of_the_web_is_none(tmp_path: Path, url: str) -> None:
    Fetch([url], tmp_path).refused("1 pictures", "URL")


@pytest.mark.parametrize(
    "host", [".shop.example", "shop..example", "a" * 64 + ".example", "ß" * 70]
)
def test_a_name_that_no_host_can_have_is_none(server: Server, tmp_path: Path, host: str) -> None:
    assert set(Fetch([f"http://{host}/a", f"https://{host}/a"], tmp_path).files.values()) == {None}


@pytest.mark.parametrize(
    "header", ["", "soon", "-5", "Mon, 99 Foo 2026", "Mon, 1 Jan 2024 00:00:00 +99999999999999"]
)
def test_a_wish_to_wait_that_is_none_is_ignored(header: str) -> None:
    assert seconds_to_wait(header) is None


def test_the_proxy_of_the_environment_is_used(
    make_server: Callable[..., Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = make_server(allowed=False)
    monkeypatch.setenv("http_proxy", proxy.place)
    url = "http://shop.invalid/a.jpg"
    assert Fetch([url, "http://127.0.0.1/own"], tmp_path).files[url] is not None
    assert proxy.pictures() == {url: 1, "http://shop.invalid/robots.txt": 1}


def test_a_proxy_that_cannot_be_used_is_an_error_in_words(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "odd://proxy:1")
    with pytest.raises(UserError, match="HTTP_PROXY"):
        Fetch([server.url("/a")], tmp_path)
