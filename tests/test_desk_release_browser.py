"""A release from start to end at the desk, by two people in a real browser and on real servers.

The registry holds candidates without models, so that nothing is trained.
"""

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from browser import needs_chromium
from conftest import CANDIDATES, PRODUCTION, VARIANTS, Clone, set_params
from desk_browser import signed_in, sound
from desk_release import keep_decision
from mlflow.tracking import MlflowClient
from playwright.sync_api import Browser, Page, expect
from registry import FIRST, SECOND, add_candidate, add_champion, hollow_model
from servers import mlflow_served, of_its_own, post, prefect_served, wait

from flows.local.project import Project
from flows.local.servers import running
from flows.registry.tracking import connect
from ml.data.annotations import build_annotations

pytestmark = [pytest.mark.full, needs_chromium]
pytest_plugins = ["browser"]
ROLES = "people: {Rita: [releaser], Rolf: [releaser]}\nothers: [viewer]\n"


@dataclass
class Served:
    """A clone with a champion and a candidate that two people must approve, and its desk.

    Attributes:
        desk, prefect: addresses.
        client: of the MLflow server.
    """

    clone: Clone
    desk: str
    prefect: str
    client: MlflowClient

    def champion(self) -> str:
        """The number of the version that serves."""
        return str(self.client.get_model_version_by_alias(PRODUCTION, "champion").version)

    def events(self) -> list[tuple[str, str, str]]:
        """Kind, person and comment of each event after the decision about the candidate."""
        found = json.loads(self.clone.run("history", "--json").stdout)
        last = max(place for place, one in enumerate(found) if one["what"] == "decision")
        return [(one["what"], one["by"], one.get("comment", "")) for one in found[last + 1 :]]


@pytest.fixture(scope="module")
def served(
    make_clone: Callable[[], Clone], shop: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    folder, clone = tmp_path_factory.mktemp("desk"), make_clone()
    set_params(clone.root / "mlflow/promotion.yaml", {"approval.approvers": 2})
    clone.git("commit", "--quiet", "--all", "-m", "two approvers")
    mlflow = mlflow_served(f"sqlite:///{folder}/mlflow.db", folder / "artifacts")
    prefect, environment = prefect_served(), of_its_own(folder / "prefect")
    with (
        running(mlflow.command, folder / "mlflow.log", environment, mlflow.ready),
        running(prefect.command, folder / "prefect.log", environment, prefect.ready),
        pytest.MonkeyPatch.context() as variables,
    ):
        clone.environment |= {
            "MLFLOW_TRACKING_URI": mlflow.address,
            "PREFECT_API_URL": prefect.address,
        }
        variables.setenv("MLFLOW_TRACKING_URI", mlflow.address)
        client = connect(Project(clone.root))
        fill(client, clone, shop, folder)
        (folder / "roles.yaml").write_text(ROLES)
        log = folder / "desk.log"
        process = clone.start(log, *VARIANTS, "desk", "--roles", str(folder / "roles.yaml"))
        try:
            wait(lambda: "http://127.0.0.1:" in log.read_text(), "the desk", log)
            address = next(one for one in log.read_text().split() if one.startswith("http://127"))
            yield Served(clone, address, prefect.address, client)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def fill(client: MlflowClient, clone: Clone, shop: Path, folder: Path) -> None:
    """Makes a champion and a candidate with a decision, whose pictures are those of the shop."""
    client.create_registered_model(CANDIDATES)
    tags = {"commit": clone.git("rev-parse", "HEAD"), "author": "Ada Tester"}
    first = add_candidate(client, hollow_model(folder / "1"), **tags)
    add_champion(client, first, "none")
    tags["gate_champion"] = FIRST
    candidate = add_candidate(client, hollow_model(folder / "2"), recipe="bread 2", **tags)
    tables = [pd.read_csv(shop / f"{name}.csv") for name in ("catalog", "pairs")]
    annotations = build_annotations(*tables)
    design = pd.Series(annotations.design, annotations.indices)
    large = design[design.groupby(design).transform("size") >= 3].sort_values().head(24)
    products = tables[0].iloc[large.index].reset_index(drop=True).astype({"product_id": str})
    pictures = [shop / name for name in products["image"]]
    (folder / "gate").mkdir()
    keep_decision(client, candidate, FIRST, products, large.to_numpy(), pictures, folder / "gate")


def decide(page: Page, verb: str, comment: str) -> None:
    """Fills in the form to approve or reject, which a key opens."""
    page.wait_for_load_state()  # with the script for the keys
    page.keyboard.press(verb[0])
    page.locator(f"#{verb}-comment").fill(comment)
    page.get_by_role("button", name=f"{verb.capitalize()} candidate 2").click()


def test_two_people_approve_promote_and_roll_back_at_the_desk_and_nobody_else_does(
    served: Served, browser: Browser
) -> None:
    rita, rolf, vera = (signed_in(browser, served.desk, name) for name in ("Rita", "Rolf", "Vera"))
    sound(rita, "desk")
    for page in (rita, rolf, vera):
        page.goto(f"{served.desk}/release")
        expect(page.locator("#main")).to_contain_text(f"{FIRST} serves since")
        expect(page.locator("#main")).to_contain_text("2 more must approve it")
    expect(rita.locator("#main")).to_contain_text("better by 0.040 in block_ap, proven; no segment")
    assert rita.locator("img").count() > 40
    broken = "Array.from(document.images).filter(one => one.complete && !one.naturalWidth).length"
    assert rita.evaluate(broken) == 0
    sound(rita, "desk-release")
    expect(vera.get_by_role("button")).to_have_count(0)
    sound(vera, "desk-release-viewer")

    sent: dict[str, str | float | bool] = {"candidate": "2", "reason": "mine"}
    sent["token"] = rita.locator("[name=token]").first.get_attribute("value") or ""
    for action in ("approve", "reject", "promote", "rollback"):  # of another session, without role
        assert vera.request.post(f"{served.desk}/release/{action}", form=sent).status == 403
    assert served.events() == []

    decide(rita, "approve", "its groups look right")
    expect(rita.get_by_role("status")).to_contain_text("Rita approves")
    expect(rita.locator("#main")).to_contain_text("1 more must approve it")
    decide(rolf, "approve", "so do I think")  # about what he saw before
    expect(rolf.get_by_role("alert")).to_contain_text("Nothing was changed: somebody has acted")
    expect(rolf.locator(".timeline")).to_contain_text("its groups look right")
    decide(rolf, "approve", "so do I think")
    expect(rolf.locator("#main")).to_contain_text("approved by Rita, Rolf")

    rita.goto(f"{served.desk}/release")
    rita.keyboard.press("p")
    rita.wait_for_url("**/promote?candidate=2")
    expect(rita.locator("#main")).to_contain_text(f"serves instead of {FIRST}")
    expect(rita.locator("#main")).to_contain_text("of 24 products move to another group")
    sound(rita, "desk-promote")
    assert served.champion() == "1"
    rita.keyboard.press("p")
    expect(rita.locator(".message")).to_contain_text(f"{SECOND} is the champion", timeout=300_000)
    sound(rita, "desk-job")
    assert served.champion() == "2"
    runs = post(f"{served.prefect}/flow_runs/filter", {})
    assert [(one["name"], one["state_type"]) for one in runs] == [("promote 2", "COMPLETED")]

    rolf.goto(f"{served.desk}/release")
    expect(rolf.locator("#main")).to_contain_text(f"{SECOND} serves since")
    expect(rolf.locator("#main")).to_contain_text("Rita promoted it")
    rolf.keyboard.press("b")
    expect(rolf.locator("#main")).to_contain_text(f"{FIRST} serves again instead of {SECOND}")
    sound(rolf, "desk-rollback")
    rolf.get_by_label("Why").fill("groups shoes by sole")
    rolf.get_by_role("button", name="Roll back to version 1").click()
    expect(rolf.locator(".message")).to_contain_text("is the champion again", timeout=300_000)
    assert served.champion() == "1"

    for path in ("history", "problems"):
        rita.goto(f"{served.desk}/release/{path}")
        sound(rita, f"desk-{path}")
    assert served.events() == [
        ("approval", "Rita", "its groups look right"),
        ("approval", "Rolf", "so do I think"),
        ("promotion", "Rita", ""),
        ("rollback", "Rolf", "groups shoes by sole"),
    ]
    assert "the audit trail is whole" in served.clone.run("history", "--verify").stdout


def test_a_page_that_a_run_keeps_knows_no_session(served: Served, browser: Browser) -> None:
    page = signed_in(browser, served.desk, "Rita")
    page.goto(f"{served.desk}/release?candidate=2")
    page.get_by_role("link", name="the report").click()
    expect(page.locator("h1")).to_have_text("the report")
    assert page.title() == "ran"  # its charts need scripts
    assert page.evaluate("self.origin") == "null"
    page.goto(f"{served.desk}/release/candidates/2/impact")
    expect(page.locator("h2").first).to_contain_text("of the products would move")
