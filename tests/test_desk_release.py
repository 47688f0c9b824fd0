"""The desk's release page does what the commands do, by their rules, and says what will happen."""

import contextlib
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
import pytest
import requests
from browser import needs_chromium
from conftest import CANDIDATES, PRODUCTION
from desk_browser import Visitor, faults, flat, overflow, signed_in
from desk_catalogue import drawn
from desk_release import keep_decision
from desk_server import running_desk
from fastapi import FastAPI
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, expect
from registry import NAMES, SECOND, Registry

from flows.desk import candidate, jobs, release
from flows.desk.app import desk_app
from flows.desk.release import SANDBOX
from flows.desk.roles import Roles
from flows.desk.settings import Settings
from flows.gate import approval
from flows.local.process import CommandError
from flows.registry.audit_trail import events, note_event
from ml.core.errors import UserError

pytest_plugins = ["browser", "registry"]
HOSTILE = "<script>alert(1)</script>"
ROLES = Roles(people={"Rita": ["releaser"], "Rolf": ["releaser"]}, others=["viewer"])


@pytest.fixture
def app(registry: Registry) -> FastAPI:
    return desk_app(registry.project, Settings(roles=ROLES))


def fields(text: str, action: str) -> dict[str, str]:
    """The hidden fields of the form that a page sends to an address, without the token."""
    form = re.search(rf'action="{action}".*?</form>', text, re.DOTALL)
    assert form, f"no form for {action}"
    found = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form[0]))
    del found["token"]
    return found


def noted(registry: Registry) -> list[tuple[str, str, str]]:
    """Kind, person and comment of each event after the gate's last decision."""
    found = events(registry.client, NAMES)
    last = max(place for place, one in enumerate(found) if one["what"] == "decision")
    return [(one["what"], one["by"], one.get("comment", "")) for one in found[last + 1 :]]


def test_the_page_says_what_serves_what_waits_and_why_and_shows_what_would_change(
    registry: Registry, app: FastAPI, tmp_path: Path
) -> None:
    columns = {"brand": "b", "gender": "men", "article_type": "Shirt", "title": HOSTILE}
    products = pd.DataFrame([{"product_id": f"p{n}", **columns} for n in range(8)])
    design, picture = np.repeat([0, 1], 4), tmp_path / "one.jpg"
    picture.write_bytes(drawn(1, (30, 40, 160)))
    version = registry.version(CANDIDATES, 3)
    (tmp_path / "gate").mkdir()
    keep_decision(
        registry.client, version, SECOND, products, design, [picture] * 8, tmp_path / "gate"
    )
    text = Visitor(app, "Vera").get("/release").text
    page = flat(text)
    for words in (
        f"{SECOND} serves since",
        "Rita promoted it",
        "better by 0.040 in block_ap, proven; no segment worse; 50.0 % of 8 products would move",
        "2 products move",
        "4 new mistakes in 28 pairs",
        "8 mistakes of the champion are mended",
        "products: 120 added, 3 removed, 5 changed",
        "needs the role “releaser”",
    ):
        assert words in page, words
    assert "<form" not in text
    assert HOSTILE not in text
    assert text.count("data:image/jpeg") > 16
    assert not re.search(r"<style|style=|\son\w+=", text)

    report = Visitor(app, "Vera").get("/release/candidates/3/report")
    assert report.headers["content-security-policy"] == SANDBOX
    assert "allow-same-origin" not in SANDBOX
    assert Visitor(app, "Vera").get("/release/candidates/3/snapshot").status_code == 404
    assert Visitor(app, "Vera").get("/release/candidates/3/..%2Fmodel").status_code == 404


def test_an_approval_is_that_of_the_command_and_a_stale_form_changes_nothing(
    registry: Registry, app: FastAPI
) -> None:
    rita, rolf = Visitor(app, "Rita"), Visitor(app, "Rolf")
    pages = [one.get("/release").text for one in (rita, rolf)]
    mine, his = (fields(text, "/release/approve") for text in pages)
    assert "nothing serves by it alone. With yours: approved by Rolf." in flat(pages[1])
    sent = rita.post("/release/approve", comment=HOSTILE, **mine)
    assert (sent.status_code, sent.headers["location"]) == (303, "/release?candidate=3")
    text = rita.get("/release").text
    assert f"Rita approves models:/{CANDIDATES}/3: approved by Rita" in text
    assert "&lt;script&gt;" in text
    assert HOSTILE not in text
    assert noted(registry) == [("approval", "Rita", HOSTILE)]

    rolf.post("/release/reject", comment="blurs stripes", **his)
    assert "Nothing was changed: somebody has acted" in flat(rolf.get("/release").text)
    assert len(noted(registry)) == 1
    his = fields(rolf.get("/release").text, "/release/reject")
    rolf.post("/release/reject", comment="blurs stripes", **his)
    assert noted(registry)[1:] == [("rejection", "Rolf", "blurs stripes")]
    assert "Rolf rejected it: blurs stripes" in rita.get("/release").text


@pytest.mark.full
def test_no_number_makes_a_route_fail(registry: Registry, app: FastAPI) -> None:
    rita, before = Visitor(app, "Rita"), events(registry.client, NAMES)
    sent = fields(rita.get("/release").text, "/release/approve")
    for text in ("0", "-1", "x", "\0", "٣", str(2**31), str(2**63), "9" * 400):
        for url in (f"?candidate={quote(text)}", f"/promote?candidate={quote(text)}"):
            assert rita.get(f"/release{url}").status_code < 500, url
        for url in (f"/rollback?to={quote(text)}", f"/candidates/{quote(text)}/report"):
            assert rita.get(f"/release{url}").status_code < 500, url
        assert rita.get(f"/release/jobs/{quote(text)}").status_code < 500, text
        for action in ("approve", "reject", "promote"):
            answer = rita.post(f"/release/{action}", **sent | {"candidate": text})
            assert 400 <= answer.status_code < 500, (action, text)
    for action in ("approve", "reject", "promote", "rollback"):
        for one in sent:
            rest = {name: value for name, value in sent.items() if name != one}
            assert rita.post(f"/release/{action}", **rest).status_code < 500, (action, one)
    assert events(registry.client, NAMES) == before


def test_of_two_decisions_at_once_the_second_sees_the_first(
    registry: Registry, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = threading.Barrier(2)

    def slow(*arguments: Any) -> dict[str, Any]:
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(0.5)  # of two at once, both would come here
        return approval.note_verdict(*arguments)

    monkeypatch.setattr(release, "note_verdict", slow)
    people = [Visitor(app, "Rita"), Visitor(app, "Rolf")]
    sent = [fields(one.get("/release").text, "/release/approve") for one in people]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda one, fields: one.post("/release/approve", **fields), people, sent))
    assert len(noted(registry)) == 1


def test_behind_a_proxy_the_account_is_the_one_that_signed_in(registry: Registry) -> None:
    app = desk_app(registry.project, Settings(roles=ROLES, user_header="X-User"))
    rita = Visitor(app, X_User="Rita")
    rita.post(
        "/release/approve", comment="", **fields(rita.get("/release").text, "/release/approve")
    )
    (event,) = (one for one in events(registry.client, NAMES) if one["what"] == "approval")
    assert (event["by"], event["account"]) == ("Rita", "Rita")


def test_who_may_only_look_changes_nothing(registry: Registry, app: FastAPI) -> None:
    sent = fields(Visitor(app, "Rita").get("/release").text, "/release/approve")
    before = events(registry.client, NAMES)
    for action in ("approve", "reject", "promote", "rollback"):
        answer = Visitor(app, "Vera").post(f"/release/{action}", reason="x", to="1", **sent)
        assert (answer.status_code, "lacks the role" in answer.text) == (403, True)
    for path in ("/release/promote?candidate=3", "/release/rollback"):
        assert Visitor(app, "Vera").get(path).status_code == 403
    assert events(registry.client, NAMES) == before


def test_the_page_is_shown_although_nobody_can_approve_for_lack_of_a_policy(
    registry: Registry, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*arguments: object) -> None:
        raise UserError("mlflow/promotion.yaml is in no commit")

    for module in (candidate, approval):
        monkeypatch.setattr(module, "policy_on_record", gone)
    rita = Visitor(app, "Rita")
    text = rita.get("/release").text
    assert "To mend: mlflow/promotion.yaml is in no commit" in text
    rita.post("/release/approve", **fields(text, "/release/approve"))
    assert "Nothing was changed: mlflow/promotion.yaml is in no commit" in rita.get("/release").text


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (requests.ConnectionError("refused"), 503, "does not answer any more"),
        (RuntimeError("secret"), 500, "the desk failed at this request; its log says why"),
    ],
)
def test_an_outage_or_a_fault_is_a_page_of_words_with_all_headers(
    registry: Registry,
    app: FastAPI,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    status: int,
    words: str,
) -> None:
    def fails(*arguments: object) -> None:
        raise error

    rita = Visitor(app, "Rita")
    rita.client = TestClient(
        app, str(rita.client.base_url), cookies=rita.client.cookies, raise_server_exceptions=False
    )
    whole = rita.get("/release").headers
    monkeypatch.setattr(release, "events", fails)
    answer = rita.get("/release")
    assert (answer.status_code, words in answer.text) == (status, True)
    assert "secret" not in answer.text
    missing = whole.keys() - answer.headers.keys() - {"set-cookie", "vary"}  # of the session
    assert not missing


def test_a_promotion_and_a_rollback_say_before_what_they_do(
    registry: Registry, app: FastAPI
) -> None:
    rita = Visitor(app, "Rita")
    page = rita.get("/release/promote?candidate=3").text
    assert "it cannot be promoted yet: 1 more must approve it" in page
    assert "<form" not in page
    assert "is the champion already" in flat(rita.get("/release/promote?candidate=2").text)
    note_event(registry.client, registry.version(CANDIDATES, 3), "approval", "Rolf")
    page = flat(rita.get("/release/promote?candidate=3").text)
    assert f"serves instead of {SECOND}" in page
    assert "It is approved by Rolf." in page
    page = flat(rita.get("/release/rollback").text)
    assert f"models:/{PRODUCTION}/1 serves again instead of {SECOND}" in page
    assert "is the champion already" in flat(rita.get("/release/rollback?to=2").text)


def test_one_release_runs_at_a_time_signed_by_who_started_it_and_its_words_are_shown(
    registry: Registry, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on, ran = threading.Event(), []

    def command(
        arguments: list[str], folder: Path, log: Callable[[str], None], more: object
    ) -> None:
        ran.append(arguments[3:])
        log("09:23:23.251 | INFO | Flow run")
        log(f"error: {HOSTILE} cannot be promoted")
        assert goes_on.wait(60)
        log("bye")
        raise CommandError(arguments, 1, [])

    monkeypatch.setattr(jobs, "stream", command)
    note_event(registry.client, registry.version(CANDIDATES, 3), "approval", "Rolf")
    rita, rolf = Visitor(app, "Rita"), Visitor(app, "Rolf")
    sent = fields(rita.get("/release/promote?candidate=3").text, "/release/promote")
    back = fields(rolf.get("/release/rollback").text, "/release/rollback")
    app.state.jobs.start(registry.project, "group", "Grouping of shop", "Ada", ["group"])
    assert rita.post("/release/promote", **sent).headers["location"] == "/release/jobs/2"
    assert "Promotion of candidate 3 by Rita runs" in flat(rolf.get("/release").text)
    rolf.post("/release/rollback", reason="--to=9", **back)
    assert "so nothing was started" in rolf.get("/release/rollback").text
    goes_on.set()
    page = rita.get("/release/jobs/2").text
    assert flat(page).endswith(f"{HOSTILE} cannot be promoted To the release page")
    assert HOSTILE not in page
    rolf.post("/release/rollback", reason="--to=9", **back)
    rolf.get("/release/jobs/3")
    assert sorted(ran) == [
        ["group"],  # it takes minutes, and holds up neither promotion nor rollback
        ["promote", "3", "--by=Rita"],
        ["rollback", "--reason=--to=9", "--by=Rolf", "--to=1"],
    ]
    assert rita.get("/release/jobs/9").status_code == 404
    for number in ("--help", "3/../1", "", "٣"):
        assert rita.post("/release/promote", candidate=number, state="").status_code == 422


@needs_chromium
def test_keys_open_the_forms_and_a_command_s_words_come_while_it_runs(
    registry: Registry, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on = threading.Event()

    def command(
        arguments: list[str], folder: Path, log: Callable[[str], None], more: object
    ) -> None:
        log("it has begun")
        assert goes_on.wait(60)
        log(f"{SECOND} is the champion again")

    monkeypatch.setattr(jobs, "stream", command)
    with running_desk(registry.project, Settings(roles=ROLES)) as address:
        page = signed_in(browser, address, "Rita", 390)
        page.goto(f"{address}/release")
        page.wait_for_load_state()
        assert (faults(page), overflow(page)) == ([], 0)
        page.keyboard.press("a")
        page.keyboard.press("Tab")
        page.keyboard.type("its groups look right")
        page.get_by_role("button", name="Approve candidate 3").click()
        expect(page.get_by_role("status")).to_contain_text("approved by Rita")
        assert noted(registry) == [("approval", "Rita", "its groups look right")]
        page.goto(f"{address}/release/rollback")
        page.get_by_label("Why").fill("groups shoes by sole")
        page.get_by_role("button", name="Roll back to version 1").click(no_wait_after=True)
        expect(page.get_by_role("log")).to_contain_text("it has begun")
        expect(page.locator(".message")).to_have_count(0)
        goes_on.set()
        expect(page.locator(".message")).to_contain_text("is the champion again")
