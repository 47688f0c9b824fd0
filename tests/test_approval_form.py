"""The form to approve, in a real browser: it shows what is decided, and its approver promotes.

The registry holds a candidate without a model, so that nothing is trained.
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
from typing import Any

import psutil
import pytest
from browser import chromium, custom_run, needs_chromium, new_page
from conftest import CANDIDATES, PRODUCTION, VARIANTS, Clone
from playwright.sync_api import Page, expect
from registry import add_candidate, hollow_model
from servers import post, wait

from flows.local.project import Project
from flows.local.servers import free_port
from flows.registry.experiment import open_experiment
from flows.registry.tracking import connect
from ml.evaluate.evaluation import Interval
from ml.promote.decision import Check, CheckKind, Decision, MetricComparison
from ml.promote.impact import ImpactSummary

pytestmark = [
    pytest.mark.full,
    needs_chromium,
]
HALF: Interval = {"value": 0.712, "low": 0.655, "high": 0.771}
GAIN: Interval = {"value": 0.031, "low": 0.004, "high": 0.058}
DECISION = Decision(
    mode="enforce",
    checks=(
        Check(CheckKind.EVALUABLE, True, "the test split has pairs"),
        Check(CheckKind.FLOOR, True, "at least the floor", 0.712, 0.3),
        Check(CheckKind.ABOVE, True, "above", 0.712, 0.349, "gray"),
        Check(CheckKind.PROVEN_GAIN, True, "the gain is proven", 0.004, 0.0),
    ),
    metrics=(MetricComparison("block_ap", HALF, HALF, GAIN),),
    reuse=None,
    segments=(),
    challenger_model=f"models:/{CANDIDATES}/1",
    champion_model=None,
    policy={"impact": {"mode": "report", "largest_share": 0.3, "sample": 2000}},
    impact=ImpactSummary(1000, 80, 3, 2, 30, 10, 301, catalogue="version 4 of the catalogue shop"),
)
COUNTS = {"added": 120, "removed": 3, "changed": 5}
CHANGES = {name: {"counts": COUNTS} for name in ("products", "pairs")}


@dataclass
class Served:
    """A clone with a candidate, for which `variants ui --serve` runs.

    Attributes:
        prefect: the address of Prefect's page.
        process: the command.
    """

    clone: Clone
    prefect: str
    process: subprocess.Popen[bytes]

    def runs(self) -> list[dict[str, Any]]:
        """The flow runs on Prefect's server."""
        found: list[dict[str, Any]] = post(f"{self.prefect}/api/flow_runs/filter", {})
        return found


@pytest.fixture
def served(
    make_clone: Callable[[], Clone], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Served]:
    clone = make_clone()
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(clone.root)
    project = Project(clone.root)
    client = connect(project)
    open_experiment(project, client, print)
    client.create_registered_model(CANDIDATES)
    commit = clone.git("rev-parse", "HEAD")
    model = hollow_model(project.room / "models/1")
    candidate = add_candidate(client, model, commit=commit, author="Ada Tester")
    run = str(candidate.run_id)
    client.log_dict(run, DECISION.to_json() | {"files": {}}, "gate/decision.json")
    client.log_dict(run, CHANGES, "snapshot_diff/diff.json")
    ports, log = (free_port(), free_port()), tmp_path / "ui.log"
    options = ["--mlflow-port", str(ports[0]), "--prefect-port", str(ports[1])]
    process = clone.start(log, *VARIANTS, "ui", "--serve", *options)
    try:
        wait(lambda: "Ctrl-C ends" in log.read_text(), "variants ui --serve", log)
        yield Served(clone, f"http://127.0.0.1:{ports[1]}", process)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture
def page() -> Iterator[Page]:
    with chromium() as browser:
        opened = new_page(browser, 1100, 1000)
        opened.set_default_timeout(120_000)
        yield opened


def test_who_approves_in_the_form_promotes_and_the_pages_end_with_their_command(
    served: Served, page: Page, tmp_path: Path
) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    form = custom_run(page, served.prefect, "promote")
    expect(form).to_contain_text("Your name, for the audit trail")
    page.get_by_role("button", name="Submit").click()  # without a name
    page.wait_for_timeout(2000)
    assert served.runs() == []
    form.locator("textarea").first.fill("Petra Starter")
    page.get_by_role("button", name="Submit").click()
    wait(lambda: len(served.runs()) == 1, "the flow run")
    (run,) = served.runs()
    assert run["parameters"] == {"by": "Petra Starter", "version": "@challenger"}

    def state() -> str:
        return str(served.runs()[0]["state_name"])

    wait(lambda: state() == "Waiting for approval", "the promotion's wait for approval")
    page.goto(f"{served.prefect}/runs/flow-run/{run['id']}")
    expect(page.locator("body")).to_contain_text("Waiting for approval")
    page.get_by_role("button", name="Resume").click()
    answer = page.locator(".p-modal")
    for words in (
        f"models:/{CANDIDATES}/1 passed the gate",
        "Gain in block_ap 0.031 (0.004 to 0.058)",
        "4 checks passed: evaluable, floor, above gray, proven gain",
        "products: 120 added, 3 removed, 5 changed",
        "1 more must approve it",
        "30.1 % of 1,000 products would move: 80 groups kept, 3 merged, 2 split",
        "More than the policy's 30.0 %.",
    ):
        expect(answer).to_contain_text(words)
    page_of_impact = answer.get_by_role("link", name="what it would change")
    assert "artifacts/gate/impact.html" in (page_of_impact.get_attribute("href") or "")
    link = answer.get_by_role("link", name="its report").get_attribute("href")
    assert link and "artifacts/report.html" in link
    if os.environ.get("PICTURES"):
        page.screenshot(path=Path(os.environ["PICTURES"]) / "approval-form.png")
    answer.locator("textarea").first.fill("Rita Release")
    answer.locator(".p-select-button__control").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(answer.locator(".p-select-button__value")).to_have_text("approve")
    answer.locator("textarea").last.fill("its groups look right")
    answer.get_by_role("button", name="Submit").click()
    wait(lambda: state() in ("Completed", "Failed", "Crashed", "Not promoted"), "the promotion")
    assert state() == "Completed"
    champion = served.clone.client.get_model_version_by_alias(PRODUCTION, "champion")
    assert champion.tags["candidate"] == f"models:/{CANDIDATES}/1"
    events = json.loads(served.clone.run("history", "--json").stdout)
    assert [(event["what"], event["by"]) for event in events][1:] == [
        ("approval", "Rita Release"),
        ("promotion", "Rita Release"),  # not the git user of this machine
    ]
    assert events[-1]["started_by"] == "Petra Starter"
    assert [url for url in asked if not re.match(r"http://127\.0\.0\.1|data:|blob:", url)] == []

    below = psutil.Process(served.process.pid).children(recursive=True)
    os.kill(served.process.pid, signal.SIGINT)
    assert served.process.wait(timeout=120) == 0
    assert [one for one in below if one.is_running() and one.status() != "zombie"] == []
