"""A desk that runs in a thread of the test's own process, for tests in a real browser."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import uvicorn
from playwright.sync_api import Browser, Page

from flows.desk.app import desk_app
from flows.desk.settings import Settings
from flows.local.listening import listening
from flows.local.project import Project


@contextmanager
def running_desk(project: Project, settings: Settings) -> Iterator[str]:
    """Runs a desk while the block runs; yields its address."""
    with listening(0) as listener:
        config = uvicorn.Config(desk_app(project, settings), log_level="warning")
        server = uvicorn.Server(config)
        thread = Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(30)


def desk_page(browser: Browser, address: str, name: str, width: int = 1400) -> Page:
    """Opens the desk in a browser of its own, whose user has said a name."""
    page = browser.new_context(viewport={"width": width, "height": 900}).new_page()
    page.set_default_timeout(60_000)
    page.goto(f"{address}/who")
    page.get_by_label("Your name").fill(name)
    page.get_by_role("button", name="Go on").click()
    return page
