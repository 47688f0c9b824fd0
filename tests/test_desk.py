"""The desk lets in whom it should, and no other site, process or text gets anything done there."""

import html
import re
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import jinja2
import pytest
from desk_server import running_desk
from fastapi import FastAPI, HTTPException, Request
from starlette.testclient import TestClient

from flows.desk.app import KEY, desk_app
from flows.desk.jobs import Job
from flows.desk.page import TEMPLATES, environment
from flows.desk.people import named
from flows.desk.roles import Roles, read_roles
from flows.desk.settings import Settings
from flows.local.project import Project
from ml.core.errors import UserError

HERE = "http://127.0.0.1"
TOKEN = re.compile(r'name="token" value="([^"]+)"')


def desk(folder: Path, **settings: object) -> FastAPI:
    return desk_app(Project(folder), Settings(**settings))  # type: ignore[arg-type]


def visitor(app: FastAPI, name: str = "", **headers: str) -> TestClient:
    """A browser that has said its name, if it has one."""
    client = TestClient(app, base_url=HERE, headers=headers, follow_redirects=False)
    if name:
        assert said(client, name).status_code == 303
    return client


def token(client: TestClient) -> str:
    found = TOKEN.search(client.get("/who").text)
    assert found
    return found.group(1)


def said(client: TestClient, name: str, leads: str = "/") -> Any:
    return client.post("/who", data={"token": token(client), "name": name, "next": leads})


def test_whoever_comes_is_asked_for_a_name_and_led_on(tmp_path: Path) -> None:
    client = visitor(desk(tmp_path))
    first = client.get("/?x=1")
    assert (first.status_code, first.headers["location"]) == (303, "/who?next=/%3Fx%3D1")
    assert said(client, "Ada  Lovelace", "/?x=1").headers["location"] == "/?x=1"
    assert "Ada Lovelace (annotator, releaser, viewer)" in client.get("/").text


@pytest.mark.parametrize(
    "leads", ["//evil.com", "https://evil.com", "/\\evil.com", "javascript:alert(1)", "/a\r\nX: y"]
)
def test_a_name_leads_to_no_other_site(tmp_path: Path, leads: str) -> None:
    assert said(visitor(desk(tmp_path)), "Ada", leads).headers["location"] == "/"


@pytest.mark.parametrize("name", ["", "   ", "\u200b", "Аda", "x" * 300])
def test_what_is_nobody_s_name_is_refused_with_words(tmp_path: Path, name: str) -> None:
    client = visitor(desk(tmp_path))
    assert said(client, name).headers["location"].startswith("/who")
    assert "alert" in client.get("/who").text
    assert client.get("/").status_code == 303


@pytest.mark.parametrize("letter", ["b", "я", "王", "\U0001f600", '"'])
def test_a_message_fits_the_cookie_in_every_script(tmp_path: Path, letter: str) -> None:
    client = visitor(desk(tmp_path), letter * 150)
    answer = said(client, f"ад{letter * 5000}da")  # which the refusal quotes
    assert len(answer.headers["set-cookie"].partition(";")[0]) < 4096
    page = html.unescape(client.get("/who").text)
    assert "needs a name that cannot be taken for another one" in page
    assert f"ад{letter * 20}" in page
    assert "…" in page


def test_a_name_is_text_wherever_it_is_shown(tmp_path: Path) -> None:
    page = visitor(desk(tmp_path), "<script>alert(1)</script>").get("/").text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


@pytest.mark.parametrize("sent", ["", "token=", "token=guessed", "token=%C3%A9", "name=Eve"])
def test_a_form_without_the_session_s_token_is_refused(tmp_path: Path, sent: str) -> None:
    client = visitor(desk(tmp_path), "Ada")
    for path in ("/who", "/"):
        assert client.post(path, content=sent).status_code in (403, 405)
    other = visitor(client.app, "Eve")  # type: ignore[arg-type]
    stolen = client.post("/who", data={"token": token(other), "name": "Eve", "next": "/"})
    assert stolen.status_code == 403
    assert "Ada" in client.get("/").text


def routes_of(router: Any) -> Iterator[Any]:
    """All routes, also those of routers that were included."""
    for one in router.routes:
        inner = getattr(one, "original_router", None)
        yield from [one] if inner is None else routes_of(inner)


def test_every_route_that_changes_something_asks_for_the_token_and_a_role(tmp_path: Path) -> None:
    app = desk(tmp_path, roles=Roles(others=["viewer"]))
    client, tried = visitor(app, "Ada"), 0
    mine = token(client)
    for route in routes_of(app):
        for method in getattr(route, "methods", None) or ():
            path = re.sub(r"{[^}]+}", "1", getattr(route, "path", ""))
            if method in ("GET", "HEAD"):
                continue
            tried += 1
            assert client.request(method, path, content="x=1").status_code == 403, path
            if path != "/who":
                sent = client.request(method, path, data={"token": mine})
                assert sent.status_code == 403, f"{path}: a viewer may not change anything"
    assert tried > 5


def test_a_name_of_another_site_that_points_here_is_refused(tmp_path: Path) -> None:
    client = visitor(desk(tmp_path, hosts=["127.0.0.1", "desk.example.com"]))
    for host, status in (("evil.com", 400), ("desk.example.com", 303), ("127.0.0.1", 303)):
        assert client.get("/", headers={"Host": host}).status_code == status


def test_large_and_many_requests_are_refused(tmp_path: Path) -> None:
    client = visitor(desk(tmp_path, body_bytes=1000, rate="20/minute"), "Ada")
    assert client.post("/who", content=b"x" * 1001).status_code == 413
    assert client.post("/who", content=iter([b"x"])).status_code == 413  # of no stated length
    assert 429 in [client.get("/").status_code for _ in range(25)]


def test_pages_run_no_script_but_the_desk_s_own(tmp_path: Path) -> None:
    client = visitor(desk(tmp_path), "Ada")
    for path in ("/", "/who", "/nowhere"):
        answer = client.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert not re.search(r"<script(?![^>]*src=)|<style|style=|\son\w+=", answer.text), path
        assert answer.headers["cache-control"] == "no-store"
    style = client.get("/static/desk.css")
    again = client.get("/static/desk.css", headers={"If-None-Match": style.headers["etag"]})
    assert (style.status_code, again.status_code) == (200, 304)
    assert style.headers["cache-control"] == "no-cache"


def test_every_page_escapes_what_it_shows_and_fails_where_a_name_is_missing() -> None:
    made = environment.from_string("{{ told }}")
    assert made.render(told="<b>") == "&lt;b&gt;"
    with pytest.raises(jinja2.UndefinedError):
        made.render()
    for file in TEMPLATES.glob("*.j2"):
        assert not re.search(r"\|\s*safe\b|autoescape", file.read_text(encoding="utf-8")), file


def test_behind_a_proxy_its_header_alone_says_who_asks(tmp_path: Path) -> None:
    roles = Roles(people={"Ada": ["releaser"]}, others=[])
    app = desk(tmp_path, roles=roles, user_header="X-User")
    assert "Ada (releaser, viewer)" in visitor(app, **{"X-User": "Ada"}).get("/").text
    assert visitor(app).get("/").status_code == 401
    assert visitor(app, **{"X-User": "Eve"}).get("/").status_code == 403
    client = visitor(app, **{"X-User": "Eve"})
    named = client.post("/who", data={"token": token(client), "name": "Ada", "next": "/"})
    assert named.status_code == 403


def test_names_of_every_script_come_through_a_proxy_and_stay_apart(tmp_path: Path) -> None:
    names = ["José", "Łukasz", "Юлия", "王", "玉", "علي", "Ελένη"]
    roles = Roles(people={one: ["releaser"] for one in names[::2]}, others=["viewer"])
    app = desk(tmp_path, roles=roles, user_header="X-User")
    client = visitor(app)

    def asked(value: bytes) -> Any:
        return client.get("/", headers=[(b"x-user", value)])

    for number, name in enumerate(names):
        may = "viewer" if number % 2 else "releaser, viewer"
        assert f"{name} ({may})" in asked(name.encode()).text
    for wrong in ([b"Jos\xe9"], [b"Ada", b"Eve"], [b"Ada", b"Ada"]):
        sent = [(b"x-user", one) for one in wrong]
        with pytest.raises(HTTPException, match="must come once, in UTF-8"):
            named(Request({"type": "http", "headers": sent, "app": app}))
    rare = visitor(desk(tmp_path, user_header="X-User", rate="3/minute"))
    statuses = [
        rare.get("/", headers=[(b"x-user", one.encode())]).status_code for one in "王王王玉"
    ]
    assert statuses == [200] * 4  # one does not use up what another may ask


def test_a_cookie_that_the_desk_did_not_sign_names_nobody(tmp_path: Path) -> None:
    app = desk(tmp_path)
    kept = visitor(app, "Ada").cookies["desk"]
    client = visitor(app)
    client.cookies.set("desk", kept[:-2] + ("AA" if kept[-2:] != "AA" else "BB"))
    assert client.get("/").status_code == 303
    key = tmp_path / ".variants" / KEY
    assert key.stat().st_mode & 0o077 == 0
    assert "desk" in visitor(desk(tmp_path), "Eve").cookies  # the same key after a restart
    again = visitor(desk(tmp_path))
    again.cookies.set("desk", kept)
    assert "Ada" in again.get("/").text


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("people: {Ada: [boss]}", "people.Ada"),
        ("persons: {}", "persons"),
        ("people: [", "no YAML"),
        ("people: {Ada: [viewer], ADA: [releaser]}", "twice"),
    ],
)
def test_a_wrong_file_of_roles_is_refused(tmp_path: Path, content: str, word: str) -> None:
    file = tmp_path / "roles.yaml"
    file.write_text(content)
    with pytest.raises(UserError, match=word):
        read_roles(file)
    with pytest.raises(UserError, match="cannot be read"):
        read_roles(tmp_path / "none.yaml")


def test_roles_are_of_names_that_people_cannot_tell_apart(tmp_path: Path) -> None:
    file = tmp_path / "roles.yaml"
    file.write_text("people: {Ada: [annotator]}\nothers: []\n")
    roles = read_roles(file)
    assert roles.of(" ADA ") == {"annotator", "viewer"}
    assert roles.of("Eve") == set()


def test_sixty_who_watch_a_running_command_hold_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on, watching, watch = threading.Event(), list[int](), Job.said

    async def counted(job: Job) -> AsyncIterator[str]:
        watching.append(1)
        try:
            async for line in watch(job):
                yield line
        finally:
            watching.pop()

    def stream(command: list[str], folder: Path, log: Callable[[str], None], more: Any) -> None:
        log("begun")
        goes_on.wait(60)
        log("<done>")

    def soon(happened: Callable[[], bool]) -> bool:
        until = time.monotonic() + 10
        while not happened() and time.monotonic() < until:
            time.sleep(0.05)
        return happened()

    monkeypatch.setattr("flows.desk.jobs.stream", stream)
    monkeypatch.setattr(Job, "said", counted)
    headers = {"X-User": "Ada"}
    settings = Settings(user_header="X-User")
    with (
        running_desk(Project(tmp_path), settings) as address,
        ThreadPoolExecutor(60) as pool,
        httpx.Client(base_url=address, headers=headers, timeout=5) as client,
    ):
        sent = {"token": token(client), "catalogue": "shop"}  # type: ignore[arg-type]
        page = client.post("/annotate", data=sent).headers["location"]
        port = int(address.rpartition(":")[2])
        asks = f"GET {page} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-User: Ada\r\n\r\n".encode()

        def come(_: int) -> socket.socket:
            one = socket.create_connection(("127.0.0.1", port))
            one.sendall(asks)
            return one

        try:
            watchers = list(pool.map(come, range(60)))
            assert soon(lambda: len(watching) == 60)
            begun = time.monotonic()
            assert client.get("/").status_code == 200
            assert time.monotonic() - begun < 1
            for one in watchers:
                one.close()
            assert soon(lambda: not watching)
        finally:
            goes_on.set()
        assert "&lt;done&gt;" in client.get(page).text
