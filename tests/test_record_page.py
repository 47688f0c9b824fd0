"""MLflow's own button "Promote model" in a real browser: what it does is seen, and mended."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import chromium, needs_chromium, new_page
from playwright.sync_api import Page, expect
from registry import CANDIDATES, PRODUCTION, SECOND, Registry
from servers import mlflow_served, of_its_own

from flows.history import history
from flows.local.servers import running
from flows.registry.usable_model import usable_model
from flows.rollback import roll_back
from flows.status import status
from ml.core.errors import UserError

pytestmark = [pytest.mark.full, needs_chromium]
pytest_plugins = ["registry"]


@pytest.fixture
def refused(registry: Registry) -> Registry:
    """A registry whose third candidate the gate has refused."""
    registry.client.set_model_version_tag(CANDIDATES, "3", "gate", "refused")
    return registry


@pytest.fixture
def page(refused: Registry, tmp_path: Path) -> Iterator[Page]:
    """A browser's page on an MLflow server with the registry."""
    store = f"sqlite:///{refused.project.room / 'mlflow.db'}"
    server = mlflow_served(store, tmp_path / "artifacts")
    environment = of_its_own(tmp_path / "prefect")
    with (
        running(server.command, tmp_path / "log", environment, server.ready),
        chromium() as browser,
    ):
        opened = new_page(browser)
        opened.goto(f"{server.address}/#/models/{CANDIDATES}/versions/3")
        yield opened


def test_the_button_promote_model_is_seen_by_every_command_and_a_plain_rollback_mends_it(
    registry: Registry, page: Page
) -> None:
    page.get_by_role("button", name=re.compile("Promote model")).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("combobox").click()
    page.get_by_title(PRODUCTION, exact=True).last.click()
    dialog.get_by_role("button", name="Promote", exact=True).click()
    page.wait_for_url(re.compile(rf"models/{PRODUCTION}/versions/3"))
    page.get_by_title("Add aliases").click()
    page.get_by_role("combobox").last.fill("champion")
    page.keyboard.press("Enter")
    page.get_by_role("button", name=re.compile("Save")).click()
    expect(page.get_by_text("@ champion").first).to_be_visible()

    served = f"models:/{PRODUCTION}/3"
    champion = registry.client.get_model_version_by_alias(PRODUCTION, "champion")
    assert str(champion.version) == "3"
    found = [one["state"] for one in status(registry.project)["problems"]]
    assert any(f"{served} serves, but nobody promoted it" in state for state in found)
    assert [(one["what"], one["version"]) for one in history(registry.project)][-1] == (
        "moved",
        served,
    )
    with pytest.raises(UserError, match="record: strict"):
        usable_model(registry.project, "")
    assert roll_back("a wrong button", by="Rolf")["model"] == SECOND
    page.reload()
    expect(page.get_by_text("@ champion")).to_have_count(0)
    assert usable_model(registry.project, "") == SECOND
