"""The pages in a real browser.

Prefect's page starts a retraining, MLflow's page shows its run, and the report opens.
"""

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from browser import custom_run, needs_chromium, new_page
from conftest import CANDIDATES, PRODUCTION, VARIANTS, Clone, loosen_gate
from playwright.sync_api import Browser, ConsoleMessage, Page, expect
from servers import free_port, post, wait

from flows.registry.links import run_link, runs_link

pytestmark = needs_chromium
pytest_plugins = ["browser"]


@dataclass
class Pages:
    """A clone for which `variants ui` and `variants serve` run.

    Attributes:
        clone: the clone.
        mlflow, prefect: the addresses of the pages.
    """

    clone: Clone
    mlflow: str
    prefect: str

    def api(self, path: str, body: dict[str, object] | None = None) -> object:
        """The answer of Prefect's API to a request."""
        return post(f"{self.prefect}/api{path}", body or {})


@pytest.fixture(scope="module")
def pages(
    make_clone: Callable[[], Clone], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pages]:
    """The running pages; only one test promotes a model there."""
    clone = make_clone()
    loosen_gate(clone)
    found = Pages(clone, f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}")
    ports = [
        "--mlflow-port",
        found.mlflow.rsplit(":", 1)[1],
        "--prefect-port",
        found.prefect.rsplit(":", 1)[1],
    ]
    log = tmp_path_factory.mktemp("logs")
    started = [clone.start(log / "ui.log", *VARIANTS, "ui", *ports)]
    try:
        wait(lambda: "Prefect  http" in (log / "ui.log").read_text(), "variants ui", log / "ui.log")
        started.append(clone.start(log / "serve.log", *VARIANTS, "serve"))
        wait(
            lambda: "retrain/retrain" in (log / "serve.log").read_text(),
            "variants serve",
            log / "serve.log",
        )
        yield found
    finally:
        for process in reversed(started):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=30)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A new page of the browser."""
    opened = new_page(browser)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def flow_run(pages: Pages, browser: Browser, shop: Path) -> str:
    """The id of the flow run of a retraining that was started on Prefect's page."""
    opened = new_page(browser)
    form = custom_run(opened, pages.prefect, "retrain")
    expect(form).to_contain_text("Folder or fsspec URL of the shop")
    expect(form).to_contain_text("Run although the checkout holds uncommitted changes")
    form.locator("textarea.p-textarea__control").first.fill(str(shop))
    opened.get_by_role("button", name="Submit").click()
    wait(lambda: len(pages.api("/flow_runs/filter")) == 1, "the flow run")  # type: ignore[arg-type]
    run: dict[str, object] = pages.api("/flow_runs/filter")[0]  # type: ignore[index]
    nothing = {"profile": "", "overrides": {}, "allow_dirty": False, "columns": {}}
    said = {"corrections": "", "annotations": ""}
    assert run["parameters"] == {"source": str(shop)} | said | nothing
    ended = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
    wait(lambda: pages.api("/flow_runs/filter")[0]["state_type"] in ended, "the retraining")  # type: ignore[index]
    opened.close()
    return str(run["id"])


def test_a_retraining_started_on_prefects_page_completes_and_shows_its_stages_and_artifacts(
    pages: Pages, page: Page, flow_run: str
) -> None:
    page.goto(f"{pages.prefect}/runs/flow-run/{flow_run}")
    expect(page.locator("body")).to_contain_text("Completed")
    page.get_by_role("tablist").get_by_text("Task Runs", exact=True).click()
    for stage in ("validate", "prepare", "train", "embed", "evaluate", "gate"):
        expect(page.locator("body")).to_contain_text(stage)
    page.get_by_role("tablist").get_by_text("Artifacts", exact=True).click()
    for key in ("metrics", "gate-decision", "mlflow-run"):
        expect(page.locator("body")).to_contain_text(key)


def followed(page: Page, link: str) -> Page:
    """The page that a link of a note opens."""
    with page.context.expect_page() as opened:
        page.get_by_role("link", name=link, exact=True).first.click()
    opened.value.set_default_timeout(60_000)
    opened.value.set_viewport_size({"width": 3000, "height": 1200})  # hidden columns are not made
    return opened.value


def test_mlflows_page_says_what_came_of_a_run_and_leads_to_its_files_and_its_version(
    pages: Pages, page: Page, flow_run: str
) -> None:
    version = pages.clone.client.get_model_version_by_alias(CANDIDATES, "challenger")
    run = pages.clone.client.get_run(str(version.run_id))
    assert run.data.tags["prefect_flow_run"] == flow_run
    page.goto(f"{pages.mlflow}/{run_link(run.info.experiment_id, run.info.run_id)}")
    expect(page.locator("h2, h1").first).to_contain_text("shop · pbcnet_semi · 2 epochs · test AP")
    for words in ("Passed the gate", "test.block_ap", "dev_block_ap", "train.encoder.backbone"):
        expect(page.locator("body")).to_contain_text(words)
    expect(page.get_by_role("link", name="Model registry").first).to_be_visible()
    for name, frame in (("report", "h1"), ("metrics beside baselines", ".main-svg")):
        opened = followed(page, name)
        expect(opened.frame_locator("iframe").last.locator(frame).first).to_be_visible()
        opened.close()
    opened = followed(page, f"version {version.version}")
    # Another test of this file promotes it.
    verdict = re.compile("Passed the gate on .* waits for approval|(Approved|Promoted) by Rita on ")
    expect(opened.locator("body")).to_contain_text(verdict)
    opened.close()


def test_the_note_of_the_experiment_leads_to_the_saved_views(
    pages: Pages, page: Page, flow_run: str
) -> None:
    version = pages.clone.client.get_model_version_by_alias(CANDIDATES, "challenger")
    experiment = pages.clone.client.get_run(str(version.run_id)).info.experiment_id
    page.goto(f"{pages.mlflow}/{runs_link(experiment)}")
    releases = followed(page, "Releases")
    for column in ("gate", "test.block_ap", "train.method", "train.epochs"):
        header = releases.get_by_role("columnheader", name=column, exact=True)
        expect(header.first).to_be_attached()
    expect(releases.get_by_role("link", name="Model registry").first).to_be_visible()
    releases.close()
    curves = followed(page, "Curves")
    expect(curves.get_by_text("By epoch", exact=True)).to_be_visible()
    expect(curves.locator(".main-svg").first).to_be_visible()
    curves.close()


def test_the_report_draws_its_charts_and_pictures_without_an_error(
    pages: Pages, page: Page, flow_run: str, tmp_path: Path
) -> None:
    version = pages.clone.client.get_model_version_by_alias(CANDIDATES, "challenger")
    file = pages.clone.client.download_artifacts(str(version.run_id), "report.html", str(tmp_path))
    problems: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type == "error":
            problems.append(message.text)

    page.on("console", listen)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "request",
        lambda request: problems.append(request.url) if request.url.startswith("http") else None,
    )
    page.goto(f"file://{file}")
    expect(page.locator("#precision-recall .main-svg").first).to_be_visible()
    expect(page.locator("#similarity .main-svg").first).to_be_visible()
    expect(page.locator("tr.model")).to_have_count(2)
    broken = page.evaluate(
        "Array.from(document.images).filter(one => one.complete && one.naturalWidth === 0).length"
    )
    assert broken == 0
    assert page.locator("img").count() > 20
    width = page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert width <= 0  # the page does not scroll sideways
    assert problems == []
    assert re.search(r"0\.\d{3}", page.locator("tr.model").first.inner_text())


def test_a_candidate_is_approved_in_the_form_on_prefects_page_and_becomes_the_champion(
    pages: Pages, page: Page, flow_run: str
) -> None:
    deployment = pages.api("/deployments/filter", {"flows": {"name": {"any_": ["promote"]}}})[0]  # type: ignore[index]
    starter: dict[str, object] = {"parameters": {"by": "Petra"}}
    run = str(pages.api(f"/deployments/{deployment['id']}/create_flow_run", starter)["id"])  # type: ignore[index]

    def state() -> str:
        runs = pages.api("/flow_runs/filter", {"flow_runs": {"id": {"any_": [run]}}})
        return str(runs[0]["state_name"])  # type: ignore[index]

    wait(lambda: state() == "Waiting for approval", "the promotion's wait for approval")
    assert pages.clone.status()["champion"] is None
    page.goto(f"{pages.prefect}/runs/flow-run/{run}")
    page.get_by_role("button", name="Resume").click()
    form = page.locator(".p-modal")
    expect(form).to_contain_text(f"models:/{CANDIDATES}/1")
    expect(form).to_contain_text("1 more must approve it")
    form.locator("textarea").first.fill("Rita")
    form.locator(".p-select-button__control").focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_text("reject", exact=True).first).to_be_visible()
    page.keyboard.press("Enter")  # the first of the two answers
    expect(form.locator(".p-select-button__value")).to_have_text("approve")
    form.locator("textarea").last.fill("its groups look right")
    form.get_by_role("button", name="Submit").click()
    wait(lambda: state() in ("Completed", "Failed", "Crashed"), "the promotion")
    assert state() == "Completed"
    champion = pages.clone.client.get_model_version_by_alias(PRODUCTION, "champion")
    assert champion.tags["candidate"] == f"models:/{CANDIDATES}/1"
    events = json.loads(pages.clone.run("history", "--json").stdout)
    assert [(event["what"], event["by"]) for event in events][:2] == [
        ("decision", "gate"),
        ("approval", "Rita"),
    ]
    assert events[1]["comment"] == "its groups look right"
    promotion = {name: events[2][name] for name in ("what", "by", "approval", "started_by")}
    assert promotion == {
        "what": "promotion",
        "by": "Rita",  # not the git user of the machine that serves the flows
        "approval": "approved by Rita",
        "started_by": "Petra",
    }
