"""A real Label Studio server for tests, from an environment of its own: its pins are not ours.

To run these tests: `python -m venv E && E/bin/pip install label-studio`, then
`LABEL_STUDIO=E/bin/label-studio pytest tests/test_label_studio_server.py`.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from servers import free_port, of_its_own, running

PROGRAM = os.environ.get("LABEL_STUDIO") or shutil.which("label-studio")
ACCOUNT, PASSWORD = "ada@example.org", "a long password 1"
needs_label_studio = pytest.mark.skipif(
    PROGRAM is None, reason="there is no Label Studio here (tests/label_studio.py says how)"
)


@contextmanager
def running_label_studio(folder: Path, pictures: Path) -> Iterator[str]:
    """Runs a server with the account `ACCOUNT` while the block runs; yields its address.

    Args:
        folder: for its database and its log.
        pictures: the folder whose files it may serve.
    """
    assert PROGRAM
    port = str(free_port())
    command = [PROGRAM, "start", "--no-browser", "--internal-host", "127.0.0.1", "--port", port]
    command += ["--username", ACCOUNT, "--password", PASSWORD, "--data-dir", str(folder)]
    environment = of_its_own(
        folder,
        LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED="true",
        LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT=str(pictures),
        COLLECT_ANALYTICS="0",
        LATEST_VERSION_CHECK="0",
    )
    environment.pop("PYTHONPATH", None)
    address = f"http://127.0.0.1:{port}"
    with running(command, folder / "server.log", environment, f"{address}/health"):
        yield address
