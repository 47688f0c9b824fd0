"""`variants status` and `variants history` say what is so in sentences that fit a terminal."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import CANDIDATES, ROOT, project_of
from mlflow.entities.model_registry import RegisteredModel
from mlflow.tracking import MlflowClient
from registry import NAMES, add_candidate, add_champion, hollow_model

from flows.display import status_lines, tables, terminal
from flows.history import history
from flows.local.project import Project
from flows.registry.audit_trail import note_event
from flows.registry.production import move_champion
from flows.registry.tracking import connect
from flows.status import status

HEAVY = ("torch", "prefect", "sklearn", "great_expectations", "lightning", "onnxruntime", "plotly")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    names = ("dvc.yaml", "params.yaml", "mlflow/promotion.yaml")
    return project_of(tmp_path_factory.mktemp("status") / "project", *names)


@pytest.fixture
def client(project: Project) -> MlflowClient:
    """A client of the project's registry, whose models were deleted."""
    client = connect(project)
    for model in client.search_registered_models():
        client.delete_registered_model(model.name)
    client.create_registered_model(CANDIDATES)
    return client


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hollow_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Any], None], Any], str]:
    """Prints into a terminal of 80 columns, and returns what it shows."""

    def show(write: Callable[[Any], None], result: Any) -> str:
        output, made = io.StringIO(), terminal.console()
        made.file, made.width = output, 80
        for module in (status_lines, tables):
            monkeypatch.setattr(module, "console", lambda: made)
        write(result)
        return output.getvalue()

    return show


def test_status_names_what_serves_what_waits_and_what_is_refused(
    project: Project,
    client: MlflowClient,
    model: Path,
    printed: Callable[[Callable[[Any], None], Any], str],
) -> None:
    say = lambda: printed(status_lines.print_status, status(project))  # noqa: E731
    assert "Nothing serves yet." in say()
    assert "\n    variants retrain --source SHOP\n" in say()
    first = add_candidate(client, model)
    assert "candidate 1 passed the gate and waits: 1 more must approve it:\n" in say()
    assert "\n    variants approve 1 --by NAME --comment WHY\n" in say()
    note_event(client, first, "approval", "Rita")
    assert "\n    variants promote 1 --by NAME\n" in say()
    champion = add_champion(client, first, "none")
    client.log_metric(str(first.run_id), "test.block_ap", 0.8124)
    words = " ".join(say().split())
    assert "models:/color-variants/1 serves since" in words
    assert "Rita promoted it. Its block_ap on test is 0.812." in words
    assert "candidate 1 " not in words.partition("production")[0]
    against = f"models:/{champion.name}/{champion.version}"
    refused = add_candidate(
        client, model, gate="refused", gate_champion=against, gate_failed="gain, significant"
    )
    assert "candidate 2 cannot serve: the gate refused it: gain, significant." in say()
    note_event(
        client, refused, "decision", "gate", verdict="refused", champion=against, reasons="No gain"
    )
    assert "candidate 2 cannot serve: the gate refused it: No gain." in say()
    add_candidate(client, model)
    assert "candidate 3 is stale: the gate compared it with none" in say()
    told = add_candidate(client, model, gate_champion=against)
    moves = {"verdict": "passed", "champion": against, "impact": "3.1 % of 2,000 products"}
    note_event(client, told, "decision", "gate", **moves)
    assert "1 more must approve it; 3.1 % of 2,000 products would move:" in " ".join(say().split())
    judged = {"words": "better by 0.040 in block_ap, proven; 3.1 % of 2,000 products would move"}
    note_event(client, told, "decision", "gate", **moves, **judged)
    assert f"1 more must approve it; {judged['words']}:" in " ".join(say().split())
    assert status(project)["pending"][0]["step"] == "approve"
    rejected = add_candidate(client, model, gate_champion=against)
    note_event(client, rejected, "rejection", "Rita", comment="blurs stripes")
    assert "candidate 5 cannot serve: Rita rejected it: blurs stripes." in say()
    assert all(len(line.rstrip()) <= 80 for line in say().splitlines()[:-1])


def test_status_says_what_is_on_this_machine_only_and_how_to_copy_it(
    project: Project, client: MlflowClient, printed: Callable[[Callable[[Any], None], Any], str]
) -> None:
    result = status(project)
    assert result["only_here"] is None  # there is no remote: nobody is asked

    def say(snapshots: int | None, models: int | None, problem: str = "") -> str:
        here = {"snapshots": snapshots, "models": models, "problem": problem}
        return printed(status_lines.print_status, result | {"only_here": here})

    assert "snapshots: 2, registered versions: 1." in say(2, 1)
    assert "\n    variants push\n" in say(2, 1)
    assert "this machine only" not in say(0, 0)
    assert "is not known: it is away." in say(None, None, "it is away")


def test_what_somebody_has_to_mend_comes_first_and_in_red(
    project: Project, client: MlflowClient, model: Path
) -> None:
    add_champion(client, add_candidate(client, model), "none")
    client.delete_registered_model_alias(NAMES.production, "champion")
    output, made = io.StringIO(), terminal.console()
    made.file, made._color_system, made._force_terminal = output, 1, True  # type: ignore[assignment]
    made.width = 400
    result = status(project)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(status_lines, "console", lambda: made)
        status_lines.print_status(result)
    assert result["serving"] is None
    first = output.getvalue().splitlines()[0]
    assert first.startswith("\x1b[31mto mend: nothing serves, since somebody has removed the alias")
    assert "variants rollback" in first


def test_history_gives_gain_and_reasons_and_fits_80_columns(
    project: Project,
    client: MlflowClient,
    model: Path,
    printed: Callable[[Callable[[Any], None], Any], str],
) -> None:
    candidate = add_candidate(client, model)
    facts = {"verdict": "refused", "champion": "models:/color-variants/1"}
    facts |= {"gain": "-0.007 (-0.020 to +0.004)", "reasons": "No gain: the difference is −0.007"}
    facts |= {"impact": "3.1 % of 2,000 products"}
    note_event(client, candidate, "decision", "gate", **facts)
    add_champion(client, candidate, "1")
    shown = printed(tables.history_table, history(project))
    assert all(len(line) <= 80 for line in shown.splitlines())
    words = " ".join(shown.split())
    moves = "moves 3.1 % of 2,000 products"
    for said in (
        "refused",
        "compared with version 1",
        facts["gain"],
        "instead of version 1",
        moves,
    ):
        assert said in words
    assert "No gain: the difference is −0.007" in words
    assert "from candidate 1" in words


def test_looking_imports_nothing_that_trains_serves_or_runs_flows(project: Project) -> None:
    look = (
        "import sys, json; sys.argv = ['variants', *json.loads(sys.argv[1])]\n"
        "from flows.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "print('\\nimported', *{name.partition('.')[0] for name in sys.modules})"
    )
    for command in (["--version"], ["--help"], ["status"], ["history"]):
        ran = subprocess.run(
            [sys.executable, "-P", "-c", look, json.dumps(command)],
            cwd=project.root,
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": str(project.root)},
            capture_output=True,
            text=True,
            check=True,
        )
        # The command runs in a child, for which its parent waits; both say what they imported.
        lines = [line for line in ran.stdout.splitlines() if line.startswith("imported ")]
        imported = {name for line in lines for name in line.split()}
        assert {"flows", "typer"} <= imported
        assert not imported & set(HEAVY), command
        assert ("mlflow" in imported) == (command[0] in ("status", "history"))


def test_a_model_that_was_rolled_back_is_not_offered_for_promotion_again(
    project: Project, client: MlflowClient, model: Path
) -> None:
    add_champion(client, add_candidate(client, model), "none")
    second = add_candidate(client, model, gate_champion="models:/color-variants/1")
    note_event(client, second, "approval", "Rita")
    add_champion(client, second, "1")
    first = client.get_model_version(NAMES.production, "1")
    note_event(client, first, "rollback", "Rolf", also=CANDIDATES, replaced="2", comment="shoes")
    move_champion(client, NAMES, "1", {"restored": "shoes"})
    (pending,) = status(project)["pending"]
    assert "was promoted as models:/color-variants/2, which serves no longer" in pending["words"]
    assert pending["command"] == "variants rollback --to 2 --reason WHY"


def test_status_asks_for_each_registered_model_a_few_times_however_long_the_trail_is(
    project: Project, client: MlflowClient, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked() -> int:
        count.clear()
        status(project)
        return len(count)

    count: list[str] = []
    ask = MlflowClient.get_registered_model

    def counted(self: MlflowClient, name: str) -> RegisteredModel:
        count.append(name)
        return ask(self, name)

    monkeypatch.setattr(MlflowClient, "get_registered_model", counted)
    candidate = add_candidate(client, model)
    add_champion(client, candidate, "none")
    before = asked()
    assert before > 0
    for number in range(3):
        note_event(client, candidate, "approval", f"person {number}")
    assert asked() == before
