"""The recipe for a work pool runs as docs/how-to-mlops.md prints it."""

import os
import re
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import ROOT, Clone
from servers import post, prefect_server, wait

ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


def recipe() -> tuple[list[str], str]:
    """The commands of the clone, in order, and the command that starts a flow from anywhere."""
    text = (ROOT / "docs/how-to-mlops.md").read_text(encoding="utf-8")
    blocks = re.findall(r"\n\n((?:    .+\n)+)", text)
    block = next(one for one in blocks if "prefect work-pool create" in one)
    anywhere = re.search(r"`(prefect deployment run retrain/retrain-pool [^`]+)`", text)
    assert anywhere
    return [line.strip() for line in block.splitlines()], anywhere.group(1)


@pytest.mark.full
def test_the_recipe_for_a_work_pool_runs_as_printed(
    make_clone: Callable[[], Clone], tmp_path: Path
) -> None:
    clone = make_clone()
    (*setting_up, worker), anywhere = recipe()
    assert worker.startswith("prefect worker start")
    with prefect_server(tmp_path) as address:
        variables = {"PREFECT_API_URL": address, "PREFECT_HOME": str(tmp_path / "home")}
        clone.environment |= variables
        log = tmp_path / "worker.log"
        process = clone.start(log, "bash", "-ec", "\n".join([*setting_up, f"exec {worker}"]))
        try:
            wait(lambda: "started" in log.read_text(), "the worker", log)
            nowhere = Clone(tmp_path)
            nowhere.environment |= variables
            shop = str(tmp_path / "nowhere")
            command = anywhere.replace("/data/shop", shop)
            nowhere.command("bash", "-ec", command)
            runs = f"{address}/flow_runs/filter"
            wait(lambda: post(runs, {})[0]["state_type"] in ENDED, "the flow run", log)
            (run,) = post(runs, {})
            assert run["state_name"] == "Refused input", log.read_text()
            assert shop in run["state"]["message"]
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
