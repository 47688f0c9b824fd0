"""From a shop to a champion and back: what the flows leave in git, DVC, MLflow and Prefect.

Three clones are made once, each from a copy of the one before, and no test changes them: `life`,
`champion` and `released`. A test that changes something takes a copy.
"""

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from conftest import CANDIDATES, PRODUCTION, ROOT, VARIANTS, Clone, edit_table, loosen_gate
from mlflow.tracking import MlflowClient
from servers import free_port, post, prefect_server

from flows.local.dvc_config import add_remote
from flows.local.pipeline import load_stages
from ml.evaluate.baselines import BASELINES
from ml.evaluate.metric_words import METRICS


@dataclass
class Life:
    """A clone with a registry, and the outputs of the commands that led to its state.

    Attributes:
        clone: the clone.
        shop: the shop on which it was retrained.
        prefect: the API address of its Prefect server.
        said: the standard outputs of the commands, by names that the fixtures give them.
    """

    clone: Clone
    shop: Path
    prefect: str
    said: dict[str, str]

    @property
    def client(self) -> MlflowClient:
        """A client of the clone's registry."""
        return self.clone.client

    def version(self, name: str, number: int = 1) -> Any:
        """A version of a registered model."""
        return self.client.get_model_version(name, str(number))

    def api(self, path: str, **body: object) -> Any:
        """The answer of the Prefect server to a request."""
        return post(f"{self.prefect}{path}", body)

    def copy(self, folder: Path) -> "Life":
        """A copy that a test may change, in `folder`."""
        clone = self.clone.copy(folder / "project")
        return Life(clone, self.shop, self.prefect, dict(self.said))


@pytest.fixture(scope="module")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The API address of a real Prefect server."""
    with prefect_server(tmp_path_factory.mktemp("prefect")) as address:
        yield address


@pytest.fixture(scope="module")
def life(make_clone: Callable[[], Clone], shop: Path, prefect: str) -> Life:
    """A clone in which the same retraining was asked for twice; read only."""
    clone = make_clone()
    loosen_gate(clone, canaries=4, impact="report")
    clone.environment["PREFECT_API_URL"] = prefect
    add_remote(clone.root, "store", clone.root.with_name("remote"))
    clone.python("-m", "dvc", "remote", "default", "--local", "store")
    first = clone.run("retrain", "--source", str(shop)).stdout
    again = clone.run("retrain", "--source", str(shop)).stdout
    return Life(clone, shop, prefect, {"first": first, "again": again})


@pytest.fixture(scope="module")
def champion(life: Life, tmp_path_factory: pytest.TempPathFactory) -> Life:
    """A copy of `life` whose candidate was approved and promoted; read only."""
    found = life.copy(tmp_path_factory.mktemp("champion"))
    approve(found, "1")
    found.said["promoted"] = found.clone.run("promote").stdout
    return found


@pytest.fixture(scope="module")
def released(champion: Life, tmp_path_factory: pytest.TempPathFactory) -> Life:
    """A copy of `champion` in which a second version was promoted and rolled back; read only."""
    found = champion.copy(tmp_path_factory.mktemp("released"))
    run, shop = found.clone.run, str(found.shop)
    found.said["second"] = run("retrain", "--source", shop, "--set", "train.epochs=1").stdout
    approve(found, "2")
    run("promote", "2")
    undo = ("rollback", "--reason", "it groups <badly>", "--by", "Rolf")
    found.said["rolled back"] = run(*undo).stdout
    return found


def test_the_same_retrain_again_makes_no_version_and_names_the_existing_one(life: Life) -> None:
    assert f"registered models:/{CANDIDATES}/1" in life.said["first"]
    existing = f"the existing version is models:/{CANDIDATES}/1"
    assert f"nothing has changed: {existing}" in life.said["again"]
    assert len(life.client.search_model_versions(f"name = '{CANDIDATES}'")) == 1
    experiment = life.client.get_experiment_by_name(PRODUCTION)
    assert len(life.client.search_runs([experiment.experiment_id])) == 1


def test_the_users_checkout_is_never_touched_and_no_worktree_is_left(life: Life) -> None:
    assert life.clone.git("status", "--porcelain") == ""
    assert life.clone.git("rev-parse", "--abbrev-ref", "HEAD") == "main"
    assert not (life.clone.root / "artifacts").exists()
    assert not (life.clone.root / "dvc.lock").exists()
    assert len(life.clone.git("worktree", "list").splitlines()) == 1


def test_the_branch_of_a_run_holds_what_the_run_was_made_from(life: Life) -> None:
    version = life.version(CANDIDATES)
    branch = version.tags["branch"]
    assert re.fullmatch(r"retrain/\d{8}-\d{6}-[0-9a-f]{4}", branch)
    assert life.clone.git("rev-parse", branch) == version.tags["commit"]
    files = life.clone.git("ls-tree", "-r", "--name-only", branch).splitlines()
    assert {"dvc.lock", "data/snapshot.dvc"} <= set(files)
    pointer = yaml.safe_load(life.clone.git("show", f"{branch}:data/snapshot.dvc"))
    assert pointer["outs"][0]["md5"] == version.tags["snapshot"]
    assert pointer["outs"][0]["md5"].endswith(".dir")


def test_a_run_holds_params_lineage_metrics_and_every_curve_once(life: Life) -> None:
    version = life.version(CANDIDATES)
    run = life.client.get_run(version.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["train.encoder.backbone"] == "mobilenetv3_small_050"
    assert run.data.params["prepare.side"] == "48"
    for tag in (
        "commit",
        "branch",
        "snapshot",
        "dvc_lock_sha256",
        "recipe",
        "dirty",
        "prefect_flow_run",
    ):
        assert run.data.tags[tag]
    assert {f"test.{name}" for name in METRICS} <= run.data.metrics.keys()
    stages = {f"seconds.{stage.name}" for stage in load_stages(life.clone.root)}
    assert stages | {"serving.milliseconds", "serving.megabytes"} <= run.data.metrics.keys()
    shown = [name for name in run.data.metrics if not name.startswith("system/")]
    assert max(len(shown), len(run.data.params)) <= 40
    curves = {
        "loss": [1, 2],
        "accuracy": [1, 2],
        "learning_rate": [1, 2],
        "dev_block_ap": [0, 1, 2],
    }
    for curve, epochs in curves.items():  # epoch 0 is the initial weights
        assert [
            entry.step for entry in life.client.get_metric_history(version.run_id, f"epoch.{curve}")
        ] == epochs
    dataset = run.inputs.dataset_inputs[0].dataset
    assert dataset.name == "snapshot"
    assert version.tags["snapshot"].startswith(dataset.digest)


def test_a_run_says_on_its_page_what_came_of_it(life: Life) -> None:
    version = life.version(CANDIDATES)
    run = life.client.get_run(version.run_id)
    value = run.data.metrics["test.block_ap"]
    assert run.info.run_name == f"shop · pbcnet_semi · 2 epochs · test AP {value:.2f} · passed"
    tags = run.data.tags
    assert (tags["gate"], tags["mlflow.user"]) == ("passed", "Ada Tester")
    assert tags["mlflow.source.git.commit"] == version.tags["commit"]
    assert len(tags["initial_weights_sha256"]) == 64
    assert tags["weights_licence"] == "none"  # random weights
    note = tags["mlflow.note.content"]
    assert note.startswith("**Passed the gate**.")
    for file in ("report.html", "metrics.html", "gate/decision.md"):
        assert f"/runs/{version.run_id}/artifacts/{file}?workflowType=machine_learning" in note
    assert f"/runs/flow-run/{tags['prefect_flow_run']}" in note


def test_a_run_holds_report_pictures_contract_and_dvc_lock(life: Life) -> None:
    version = life.version(CANDIDATES)
    for folder, names in {
        "": {"report.html", "metrics.json", "metrics.html", "grouping.json", "model_card.md"},
        "sheets": {"boxes.png", "groups.png", "false_positives.png", "false_negatives.png"},
        "plots": {"history.csv", "precision_recall.csv"},
        "data_contract": {"contract.json", "quarantine.parquet", "contract.html"},
        "lineage": {"dvc.lock", "dvc.yaml", "params.yaml", "constraints.txt"},
        "gate": {"decision.json", "decision.md"},
    }.items():
        there = {
            Path(one.path).name
            for one in life.client.list_artifacts(version.run_id, folder or None)
        }
        assert names <= there


def test_a_model_is_code_and_safetensors_without_any_pickle(life: Life, tmp_path: Path) -> None:
    local = Path(fetch(life, f"models:/{CANDIDATES}/1", tmp_path))
    files = {str(file.relative_to(local)) for file in local.rglob("*") if file.is_file()}
    assert not [name for name in files if re.search(r"\.(pkl|pickle|pt|pth|joblib)$", name)]
    assert {f"artifacts/model/encoder.{kind}" for kind in ("safetensors", "onnx", "json")} | {
        "serving.py"
    } <= files
    described = yaml.safe_load((local / "MLmodel").read_text())
    assert described["signature"]["inputs"]
    assert described["saved_input_example_info"]
    requirements = (local / "requirements.txt").read_text().splitlines()
    pins = (life.clone.root / "constraints.txt").read_text().splitlines()
    assert len(requirements) > 10
    for requirement in requirements:
        assert requirement.replace("_", "-").lower() in {
            pin.replace("_", "-").lower() for pin in pins
        }
    card = life.version(CANDIDATES).description
    assert card.startswith("**Passed the gate** on ")
    for words in ("# Colour-variant finder", "block_ap", "## Limits", "## Lineage"):
        assert words in card


def test_prefect_shows_the_graph_that_dvc_shows(life: Life) -> None:
    flow_run = life.client.get_run(life.version(CANDIDATES).run_id).data.tags["prefect_flow_run"]
    runs = life.api("/task_runs/filter", flow_runs={"id": {"any_": [flow_run]}})
    names = {run["id"]: run["name"] for run in runs}
    stages = {stage.name: stage for stage in load_stages(life.clone.root)}
    assert set(stages) <= set(names.values())
    for run in runs:
        if run["name"] in stages:
            waited = {
                names[one["id"]]
                for one in run["task_inputs"].get("wait_for", [])
                if one["input_type"] == "task_run"
            }
            assert waited == set(stages[run["name"]].upstream)
            assert run["state_type"] == "COMPLETED"


def test_prefect_keeps_the_log_of_each_stage_and_the_artifacts_of_the_run(life: Life) -> None:
    flow_run = life.client.get_run(life.version(CANDIDATES).run_id).data.tags["prefect_flow_run"]
    artifacts = life.api("/artifacts/filter", artifacts={"flow_run_id": {"any_": [flow_run]}})
    keys = {one["key"]: one for one in artifacts}
    assert {"metrics", "gate-decision", "mlflow-run"} <= set(keys)
    assert "block_ap" in str(keys["metrics"]["data"])
    assert "# Gate: passed" in str(keys["gate-decision"]["data"])
    assert life.version(CANDIDATES).run_id in str(keys["mlflow-run"]["data"])
    assert keys["mlflow-run"]["created"] < keys["progress-train"]["created"]
    log = life.api("/logs/filter", logs={"flow_run_id": {"any_": [flow_run]}}, limit=200)
    text = "\n".join(one["message"] for one in log)
    for words in (
        "python -m ml.validate",
        "epoch 2",
        "packaging the model",
        "gate: passed",
        "to the DVC remote",
    ):
        assert words in text


@pytest.mark.full  # test_a_version_is_made_again_… runs the same stages in `make test`
def test_dvc_repro_by_hand_gives_the_same_files_as_the_flow(life: Life, tmp_path: Path) -> None:
    branch = life.version(CANDIDATES).tags["branch"]
    by_hand = Clone(tmp_path / "by-hand")
    by_hand.environment = life.clone.environment | {"PYTHONPATH": str(by_hand.root)}
    subprocess.run(
        ["git", "clone", "--quiet", "--branch", branch, life.clone.root, by_hand.root], check=True
    )
    locked = (by_hand.root / "dvc.lock").read_text()
    cache = life.clone.root / ".dvc/cache"
    by_hand.python("-m", "dvc", "cache", "dir", "--local", str(cache))
    by_hand.python("-m", "dvc", "checkout", "--quiet", "data/snapshot.dvc")
    # From here on the cache is empty, so that everything is computed.
    (by_hand.root / ".dvc/config.local").unlink()
    by_hand.python("-m", "dvc", "repro", "--force")
    assert yaml.safe_load((by_hand.root / "dvc.lock").read_text()) == yaml.safe_load(locked)


def test_a_promotion_copies_the_candidate_and_a_rollback_brings_the_earlier_one_back(
    champion: Life, released: Life
) -> None:
    assert "models:/color-variants/1 is the champion" in champion.said["promoted"]
    first = champion.version(CANDIDATES)
    assert champion.clone.git("rev-parse", "model-v1") == first.tags["commit"]
    alias = champion.client.get_model_version_by_alias(PRODUCTION, "champion")
    assert (str(alias.version), alias.tags["replaced"]) == ("1", "none")

    assert f"registered models:/{CANDIDATES}/2" in released.said["second"]
    decision = released.version(CANDIDATES, 2).tags
    assert decision["gate_champion"] == "models:/color-variants/1"
    second = released.version(PRODUCTION, 2).tags
    assert (second["candidate"], second["replaced"]) == (f"models:/{CANDIDATES}/2", "1")
    assert second["rolled_back"] == "it groups <badly>"
    assert "models:/color-variants/1 is the champion again" in released.said["rolled back"]
    alias = released.client.get_model_version_by_alias(PRODUCTION, "champion")
    assert str(alias.version) == "1"
    for name, number, line in (
        (CANDIDATES, 1, "**Promoted** by "),
        (PRODUCTION, 1, "**Serves** since "),
        (PRODUCTION, 2, "**Was rolled back** on "),
    ):
        card = released.version(name, number).description
        assert card.startswith(line)
        assert card.count("# Colour-variant finder") == 1
    stale = released.clone.run("promote", "1", check=False)
    assert stale.returncode == 1
    assert "champion already" in stale.stderr
    status = released.clone.status()
    assert (status["champion"], status["challenger"]) == ("1", "2")


def test_every_comparison_with_a_champion_is_counted_and_recorded(
    released: Life, tmp_path: Path
) -> None:
    run = released.version(CANDIDATES, 2).run_id
    decision = json.loads(
        Path(fetch(released, f"runs:/{run}/gate", tmp_path), "gate/decision.json").read_text()
    )
    assert decision["reuse"]["comparison"] == 1
    assert decision["reuse"]["significance"] == decision["policy"]["significance"] / 2
    segments = {one["name"]: one for one in decision["segments"]}
    assert segments.keys() >= {"near colours", "far colours", "complete blocks"}
    assert segments["complete blocks"]["positives"] > 0
    tags = released.client.get_registered_model(CANDIDATES).tags
    assert [one for one in tags if one.startswith("comparison.")] == ["comparison.2.1"]
    page = (tmp_path / "gate/decision.md").read_text()
    assert "comparison 1 on these test pairs" in page


def test_the_gate_has_the_candidate_served_and_compares_its_answers_with_the_recorded_embeddings(
    life: Life, tmp_path: Path
) -> None:
    run = life.version(CANDIDATES).run_id
    decision = json.loads(
        Path(fetch(life, f"runs:/{run}/gate", tmp_path), "gate/decision.json").read_text()
    )
    checks = {check["name"]: check for check in decision["checks"]}
    assert checks["serves"]["passed"]
    assert checks["pinned versions"]["passed"]
    assert (
        0
        <= checks["same embeddings served"]["value"]
        <= checks["same embeddings served"]["threshold"]
        == 0.001
    )
    assert checks["latency"]["value"] > 0
    assert 1 < checks["size"]["value"] < 100  # megabytes: weights, ONNX and code


def test_a_version_is_made_again_from_its_registry_entry_alone_byte_for_byte(
    champion: Life, tmp_path: Path
) -> None:
    own = champion.copy(tmp_path)
    result = json.loads(
        own.clone.run("reproduce", "models:/color-variants/1", "--by", "Rita", "--json").stdout
    )
    assert (result["verdict"], result["differing"], result["figures"]) == ("equal bytes", [], 0.0)
    assert own.version(PRODUCTION).tags["reproduced"].startswith("equal bytes (")
    events = json.loads(own.clone.run("history", "models:/color-variants/1", "--json").stdout)
    assert [(one["by"], one["verdict"]) for one in events if one["what"] == "reproduction"] == [
        ("Rita", "equal bytes")
    ]
    assert not list((own.clone.root / ".variants/tmp").glob("reproduce.*"))


def test_the_impact_of_a_promotion_is_on_a_page_in_the_decision_and_in_the_history(
    released: Life, tmp_path: Path
) -> None:
    run = released.version(CANDIDATES, 2).run_id
    fetch(released, f"runs:/{run}/gate", tmp_path)
    impact = json.loads((tmp_path / "gate/impact.json").read_text())
    assert impact["catalogue"] == "the challenger's own snapshot"  # nothing was grouped yet
    assert 100 < impact["products"] + impact["left_out"] <= 120
    assert impact["champion"] == f"models:/{PRODUCTION}/1"
    decision = json.loads((tmp_path / "gate/decision.json").read_text())["impact"]
    assert {name: impact[name] for name in decision if name != "violations"} == {
        name: value for name, value in decision.items() if name != "violations"
    }
    page = (tmp_path / "gate/impact.html").read_text()
    assert f"{impact['moved']} of {impact['products']} products would be in another" in page
    assert page.count('class="sides"') == min(24, len(impact["changes"]))
    moves = f"of {impact['products']} products"
    told = [
        (event["what"], event["version"], event["impact"].endswith(moves))
        for event in json.loads(released.clone.run("history", "--json").stdout)
        if "impact" in event
    ]
    assert told == [
        ("decision", f"models:/{CANDIDATES}/2", True),
        ("promotion", f"models:/{PRODUCTION}/2", True),
        ("rollback", f"models:/{PRODUCTION}/1", True),  # as many move back
    ]
    assert f"{moves} move" in released.said["rolled back"]


def test_the_decision_keeps_which_annotated_pairs_only_one_model_gets_right(
    released: Life, tmp_path: Path
) -> None:
    fetch(released, f"runs:/{released.version(CANDIDATES, 2).run_id}/gate", tmp_path)
    found = json.loads((tmp_path / "gate/mistakes.json").read_text())
    assert found["pairs"] >= found["new"] + found["mended"] + found["kept"]
    shown = found["new_pairs"] + found["mended_pairs"]
    assert len(shown) == min(12, found["new"]) + min(12, found["mended"])
    assert all(one["left"]["picture"].startswith("data:image/jpeg") for one in shown)
    for one in found["new_pairs"]:
        assert (one["challenger_margin"] >= 0) != one["variants"] == (one["champion_margin"] >= 0)
    events = json.loads(released.clone.run("history", "--json").stdout)
    words = [one["words"] for one in events if one["what"] == "decision"]
    assert words[0].startswith("no champion to compare with")
    assert "would move" in words[1]


def test_the_history_says_who_did_what_and_why_in_order(released: Life) -> None:
    events = json.loads(released.clone.run("history", "--json").stdout)
    assert [event["at"] for event in events] == sorted(event["at"] for event in events)
    candidates = [f"models:/{CANDIDATES}/{number}" for number in (1, 2)]
    production = [f"models:/{PRODUCTION}/{number}" for number in (1, 2)]
    rita, author = ("approval", "Rita"), ("approval", released.version(CANDIDATES).tags["author"])
    steps = [
        (event["what"], event["by"], event["version"])
        for event in events
        if event["what"] != "promotion"
    ]
    assert steps == [
        ("decision", "gate", candidates[0]),
        (*author, candidates[0]),
        (*rita, candidates[0]),
        ("decision", "gate", candidates[1]),
        (*author, candidates[1]),
        (*rita, candidates[1]),
        ("rollback", "Rolf", production[0]),
    ]
    promotions = [event for event in events if event["what"] == "promotion"]
    assert [event["version"] for event in promotions] == production
    policy = yaml.safe_load((released.clone.root / "mlflow/promotion.yaml").read_text())
    for event in promotions:
        assert yaml.safe_load(event["policy"]) == {
            name: value for name, value in policy.items() if name != "models"
        }
        assert released.clone.git("show", f"{event['policy_commit']}:mlflow/promotion.yaml")
        assert event["waivers"] == "none"
        assert len(event["files"]) == 64
    assert "is whole" in released.clone.run("history", "--verify").stdout
    assert events[-1]["comment"] == "it groups <badly>"
    shown = released.clone.run("history", production[1]).stdout
    assert "promotion" in shown
    assert "rollback" not in shown


def approve(life: Life, version: str) -> None:
    """Approves a candidate as people do: its author cannot do so alone, somebody else can."""
    early = life.clone.run("promote", version, check=False)
    assert early.returncode == 1
    assert "1 more must approve it" in early.stderr
    author = life.version(CANDIDATES, int(version)).tags["author"]
    own = life.clone.run("approve", version, "--by", author).stdout
    assert f"somebody else than {author}" in own
    life.clone.run("approve", version, "--by", "Rita", "--comment", "looks right")


def test_a_consumer_loads_the_champion_and_gives_pictures_as_paths_bytes_or_base64(
    champion: Life, tmp_path: Path
) -> None:
    script = tmp_path / "consumer.py"
    script.write_text(
        """
import base64, json, sys
import mlflow, pandas as pd
shop = sys.argv[1]
address = "models:/color-variants@champion"
model = mlflow.pyfunc.load_model(address)
local = mlflow.pyfunc.load_model(address, model_config={"root": shop})
table = pd.read_csv(f"{shop}/catalog.csv", dtype=str).head(24)
table = table[["product_id", "image", "brand", "gender", "article_type"]]
paths = table.assign(image=[f"{shop}/{name}" for name in table["image"]])
raw = table.assign(image=[open(name, "rb").read() for name in paths["image"]])
text = table.assign(image=[base64.b64encode(content).decode() for content in raw["image"]])
answers = [local.predict(table), local.predict(paths), model.predict(raw), model.predict(text)]
assert all(answers[0].equals(one) for one in answers[1:])
embeddings = model.predict(raw, params={"output": "embeddings"})
bad = model.predict(table.head(2))
answer = {"groups": answers[0]["group"].tolist(), "size": len(embeddings.columns)}
print(json.dumps(answer | {"problems": bad["problem"].tolist()}))
"""
    )
    clone = Clone(tmp_path)
    clone.environment["MLFLOW_TRACKING_URI"] = registry_of(champion)
    del clone.environment["PYTHONPATH"]  # a consumer has the model's own code only
    answer = json.loads(clone.python("consumer.py", str(champion.shop)).stdout.splitlines()[-1])
    assert len(answer["groups"]) == 24
    assert answer["size"] > 100
    assert ["a path is not opened here" in one for one in answer["problems"]] == [True] * 2


def test_the_readme_serves_the_champion_over_http_and_it_answers_as_in_a_shell(
    champion: Life, tmp_path: Path
) -> None:
    """The commands run as they are printed, but for the port; the answer is the printed one."""
    section = (ROOT / "README.md").read_text().partition("### Serve it over HTTP")[2]
    commands, printed = re.findall(
        r"^```(?:sh|json)\n(.*?)^```", section, re.DOTALL | re.MULTILINE
    )[:2]
    port = free_port()
    assert commands.count("5001") == 2
    (tmp_path / "served").write_text(commands.replace("5001", str(port)))
    (tmp_path / ".variants").mkdir()
    (tmp_path / ".variants/mlflow.db").symlink_to(champion.clone.root / ".variants/mlflow.db")
    (tmp_path / ".variants/demo-shop").symlink_to(champion.shop)
    (tmp_path / ".venv").symlink_to(Path(sys.executable).parents[1])
    environment = Clone(tmp_path).environment
    del environment["PYTHONPATH"]
    table = pd.read_csv(champion.shop / "catalog.csv", dtype=str).head(12)
    table["image"] = [
        base64.b64encode((champion.shop / name).read_bytes()).decode() for name in table["image"]
    ]
    table = table[["product_id", "image", "brand", "gender", "article_type"]]
    with (tmp_path / "output").open("wb") as output:
        shell = subprocess.Popen(
            ["bash", "served"],
            cwd=tmp_path,
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        assert shell.wait(timeout=180) == 0
        said = (tmp_path / "output").read_text()
        found = re.search(r'\{"predictions": .*?\]\}', said)
        assert found, said
        assert json.loads(found[0]) == json.loads(printed)
        body = {"dataframe_records": table.to_dict("records")}
        served = post(f"http://127.0.0.1:{port}/invocations", body, timeout=120)["predictions"]
    finally:
        os.killpg(shell.pid, signal.SIGTERM)
    out = tmp_path / "groups"
    champion.clone.run("group", "--source", str(champion.shop), "--out", str(out))
    groups = pd.read_csv(out / "groups.csv", dtype=str).set_index("product_id")["group"]
    whole = pd.Series([one["group"] for one in served], index=table["product_id"])
    # The first twelve products hold the whole first block, so grouping them alone gives the same
    # groups there, under other names.
    first_block = (
        table.groupby(["brand", "gender", "article_type"], sort=False)["product_id"]
        .apply(list)
        .iloc[0]
    )
    alone, remembered = (pd.factorize(one[first_block])[0] for one in (whole, groups))
    assert alone.tolist() == remembered.tolist()


def test_grouping_a_catalogue_gives_a_table_and_a_page_and_names_unreadable_pictures(
    champion: Life, own_shop: Path, tmp_path: Path
) -> None:
    (own_shop / "images/1000000.jpg").write_bytes(b"<html>")
    edit_table(
        own_shop / "catalog.csv", lambda table: table.assign(title="<script>alert(1)</script>")
    )
    result = champion.clone.run("group", "--source", str(own_shop), "--out", str(tmp_path / "out"))
    table = pd.read_csv(tmp_path / "out/groups.csv", dtype=str)
    assert list(table.columns) == ["product_id", "group", "score", "band", "problem"]
    problems = table.dropna(subset=["problem"]).set_index("product_id")["problem"]
    assert problems.to_dict() == {"1000000": "the file is an HTML page"}
    assert "1 pictures could not be read" in result.stdout
    page = (tmp_path / "out/groups.html").read_text()
    assert "<script>alert(1)" not in page
    assert "\\u003cscript>alert(1)" in page


@pytest.fixture(scope="module")
def remembered(champion: Life, tmp_path_factory: pytest.TempPathFactory) -> Life:
    """A copy of `champion` whose shop was grouped twice; its later products come with a test."""
    found = champion.copy(tmp_path_factory.mktemp("remembered"))
    shutil.rmtree(found.clone.root / ".variants/store", ignore_errors=True)  # the gate's embeddings
    shop = Path(shutil.copytree(champion.shop, found.clone.root / "some/seen"))
    edit_table(shop / "catalog.csv", lambda table: table.iloc[:-LATER])
    group = ("group", "--source", str(shop), "--by", "Ada")
    for name in ("first", "second"):
        result = found.clone.run(*group)
        found.said[name] = result.stdout + result.stderr
    found.shop = shop
    return found


LATER = 6  # products that a shop gets later


def test_a_second_grouping_embeds_nothing_and_changes_nothing(remembered: Life) -> None:
    assert "embed: " in remembered.said["first"]  # progress
    assert "version 1 of the catalogue seen, " in remembered.said["first"]
    assert "embed: " not in remembered.said["second"]
    assert "nothing has changed since version 1 of the catalogue seen" in remembered.said["second"]
    listed = json.loads(remembered.clone.run("groups", "list", "--json").stdout)
    assert [(one["catalogue"], one["number"], one["by"]) for one in listed] == [("seen", 1, "Ada")]


def test_a_version_of_groups_has_its_lineage_in_mlflow(remembered: Life) -> None:
    experiment = remembered.client.get_experiment_by_name("color-variants-groupings")
    assert experiment
    run = remembered.client.search_runs([experiment.experiment_id], "tags.catalogue = 'seen'")[0]
    assert run.data.params["model"] == f"models:/{PRODUCTION}/1"
    assert run.data.params["source"] == str(remembered.shop)
    assert run.data.tags["catalogue"] == "seen"
    assert run.data.metrics["products"] == len(pd.read_csv(remembered.shop / "catalog.csv"))


def test_new_products_join_groups_whose_ids_stay(remembered: Life, tmp_path: Path) -> None:
    life = remembered.copy(tmp_path)
    out = tmp_path / "out"
    before = pd.read_csv(life.clone.root / ".variants/groups/groups.csv", dtype=str)
    whole = pd.read_csv(remembered.shop / "catalog.csv", dtype=str)
    shop = Path(shutil.copytree(remembered.shop, tmp_path / "seen"))
    twin = whole.iloc[[0]].assign(product_id="twin")
    edit_table(shop / "catalog.csv", lambda table: pd.concat([table.astype(str), twin]))
    said = life.clone.run("group", "--source", str(shop), "--out", str(out)).stdout
    assert "version 2 of the catalogue seen, 0 pictures embedded" in said  # it has a known picture
    after = pd.read_csv(out / "groups.csv", dtype=str).set_index("product_id")["group"]
    old = before.set_index("product_id")["group"]
    assert after["twin"] == after[whole["product_id"][0]] == old[whole["product_id"][0]]
    assert (after[old.index] == old).mean() > 0.95
    changes = pd.read_csv(out / "changes.csv", dtype=str).fillna("")
    row = changes[changes["product_id"] == "twin"].iloc[0]
    assert (row["change"], row["reason"]) == ("joined", "its block has other products")
    shown = json.loads(life.clone.run("groups", "diff", "seen", "1", "2", "--json").stdout)
    assert shown["listed"] == changes.to_dict("records")


def test_a_shop_of_new_products_only_leaves_the_others_as_they_were(
    remembered: Life, tmp_path: Path
) -> None:
    life, out = remembered.copy(tmp_path), tmp_path / "out"
    whole = pd.read_csv(remembered.shop / "catalog.csv", dtype=str)
    shop = tmp_path / "tonight"
    (shop / "images").mkdir(parents=True)
    shutil.copy(remembered.shop / whole["image"][0], shop / whole["image"][0])
    whole.iloc[[0]].assign(product_id="twin").to_csv(shop / "catalog.csv", index=False)
    command = ("group", "--source", str(shop), "--catalogue", "seen", "--new-only")
    said = life.clone.run(*command, "--out", str(out)).stdout
    assert "version 2 of the catalogue seen, 0 pictures embedded" in said
    before = pd.read_csv(life.clone.root / ".variants/groups/groups.csv", dtype=str)
    after = pd.read_csv(out / "groups.csv", dtype=str).set_index("product_id")["group"]
    old = before.set_index("product_id")["group"]
    assert set(after.index) == {*old.index, "twin"}
    assert after["twin"] == after[whole["product_id"][0]]
    assert (after[old.index] == old).mean() > 0.95


@pytest.mark.full
def test_a_cluster_embeds_and_groups_as_this_machine_does_though_a_worker_is_killed(
    remembered: Life, tmp_path: Path
) -> None:
    from distributed import Client, LocalCluster

    life, out = remembered.copy(tmp_path), tmp_path / "out"
    store = life.clone.root / ".variants/store"
    shutil.rmtree(store)
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        processes, killed = client.run(os.getpid), list[int]()
        command = ("group", "--source", str(remembered.shop), "--out", str(out))
        log = tmp_path / "log"
        running = life.clone.start(log, *VARIANTS, *command, "--cluster", cluster.scheduler_address)
        while running.poll() is None:
            busy = [worker for worker, tasks in client.processing().items() if tasks]
            if len(busy) == 2 and not killed:
                time.sleep(2)  # both embed
                killed.append(processes[busy[0]])
                os.kill(killed[0], signal.SIGKILL)
            time.sleep(0.05)
    said = log.read_text()
    assert running.returncode == 0, said
    assert killed
    pictures = pd.read_csv(remembered.shop / "catalog.csv")["image"].nunique()
    assert f"embed: {pictures} of {pictures} pictures, on the cluster" in said
    here = remembered.clone.root / ".variants/groups/groups.csv"
    one, other = (pd.read_csv(file, dtype=str) for file in (here, out / "groups.csv"))
    assert pd.factorize(one["group"])[0].tolist() == pd.factorize(other["group"])[0].tolist()
    assert not list((store / "shards").glob("*"))


@pytest.mark.full
def test_the_store_is_shown_and_trimmed_of_what_nothing_needs(
    remembered: Life, tmp_path: Path
) -> None:
    life = remembered.copy(tmp_path)
    other = life.clone.root / ".variants/store/embeddings/other"
    kept = next(other.parent.iterdir())
    shutil.copytree(kept, other)
    found = json.loads(life.clone.run("groups", "store", "--json").stdout)
    needed = {one["folder"]: one["needed_by"] for one in found["models"]}
    assert "the catalogue seen" in needed[kept.name]
    assert f"models:/{PRODUCTION}/1" in needed[kept.name]
    assert needed["other"] == ""
    pictures = pd.read_csv(remembered.shop / "catalog.csv")["image"].nunique()
    assert found["looks"]["pictures"] == pictures
    said = life.clone.run("groups", "store", "--trim").stdout
    assert said == "removed: embeddings of other; 0 thumbnails; 0 copies of shops\n"
    assert [one.name for one in other.parent.iterdir()] == [kept.name]


def test_serve_groups_says_over_http_where_a_product_belongs(
    remembered: Life, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    server = remembered.clone.start(log, *VARIANTS, "serve-groups", "seen")
    try:
        while not (address := re.search(r"http://127\S+/assign", log.read_text())):
            assert server.poll() is None, log.read_text()
            time.sleep(0.2)
        row = pd.read_csv(remembered.shop / "catalog.csv", dtype=str).iloc[0]
        content = base64.b64encode((remembered.shop / row["image"]).read_bytes()).decode()
        asked = {"image": content, **row[["brand", "gender", "article_type"]].to_dict()}
        found = post(address[0], asked)
        assert found["nearest"][0]["product_id"] == row["product_id"]
        assert found["group"] == found["nearest"][0]["group"]
        assert (found["catalogue"], found["number"]) == ("seen", 1)
        plain = urllib.request.Request(
            address[0], json.dumps(asked).encode(), {"Content-Type": "text/plain"}
        )
        with pytest.raises(urllib.error.HTTPError) as refused:  # as another site's page can send it
            urllib.request.urlopen(plain, timeout=30)
        assert refused.value.code == 422
        path = str(remembered.shop / row["image"])
        for wrong in ({"image": "no picture"}, {"image": path}, {"more": 1}, {"brand": "x" * 501}):
            with pytest.raises(urllib.error.HTTPError) as refused:
                post(address[0], asked | wrong)
            assert refused.value.code == 422
            assert "Traceback" not in refused.value.read().decode()
        assert post(address[0], asked | {"brand": "nobody"})["group"] is None
    finally:
        os.killpg(server.pid, signal.SIGINT)
        assert server.wait(30) == 0
    assert not list((remembered.clone.root / ".variants/tmp").glob("assign*"))


def test_evaluate_gives_the_metrics_of_the_run_on_the_same_split_beside_every_baseline(
    life: Life, tmp_path: Path
) -> None:
    result = json.loads(
        life.clone.run(
            "evaluate",
            f"models:/{CANDIDATES}/1",
            "--source",
            str(life.shop),
            "--split",
            "test",
            "--json",
        ).stdout
    )
    assert set(result["metrics"]) == set(METRICS)
    assert set(result["baselines"]) == set(BASELINES)
    run = life.version(CANDIDATES).run_id
    recorded = json.loads(
        Path(life.client.download_artifacts(run, "metrics.json", str(tmp_path))).read_text()
    )
    model, gray = recorded["model"], recorded["baselines"]["gray"]
    assert result["threshold"] == pytest.approx(model["threshold"])
    for name in METRICS:
        for part in ("value", "low", "high"):
            wanted = model["test"][name][part]
            assert result["metrics"][name][part] == pytest.approx(wanted, abs=2e-3)
        value = gray["test"][name]["value"]
        assert result["baselines"]["gray"][name]["value"] == pytest.approx(value)
    blocks, wanted = result["complete_blocks"], recorded["complete_blocks"]["test"]
    for name in ("blocks", "products", "pairs", "variants"):
        assert blocks[name] == wanted[name] > 0
    assert blocks["metrics"].keys() == wanted["metrics"].keys()
    for metric, found in blocks["metrics"].items():
        assert found["value"] == pytest.approx(wanted["metrics"][metric]["value"], abs=2e-3)
    for name, of_baseline in wanted["baselines"].items():
        value = blocks["baselines"][name]["block_ap"]["value"]
        assert value == pytest.approx(of_baseline["block_ap"]["value"], abs=2e-3)


@pytest.mark.parametrize(
    "model", ["gray", *(pytest.param(one, marks=pytest.mark.full) for one in ("imagenet", "run"))]
)
def test_evaluate_takes_baselines_and_run_ids_too(life: Life, model: str) -> None:
    name = life.version(CANDIDATES).run_id if model == "run" else model
    result = json.loads(
        life.clone.run("evaluate", name, "--source", str(life.shop), "--json").stdout
    )
    assert result["model"] == name
    assert 0 < result["metrics"]["block_ap"]["value"] < 1
    assert name not in result["baselines"]


def test_evaluate_needs_no_pairs_where_there_are_complete_blocks(
    life: Life, tmp_path: Path
) -> None:
    shop = tmp_path / "shop"
    shutil.copytree(life.shop, shop, ignore=shutil.ignore_patterns("pairs.*"))
    asked = ("evaluate", "gray", "--source", str(shop))
    result = json.loads(life.clone.run(*asked, "--json").stdout)
    assert (result["pairs"], result["metrics"], result["baselines"]) == (0, {}, {})
    blocks = result["complete_blocks"]
    assert 0 < blocks["variants"] < blocks["pairs"]
    assert 0 < blocks["metrics"]["block_ap"]["value"] < 1
    assert set(blocks["baselines"]) == set(BASELINES) - {"gray"}
    for table in shop.glob("blocks*"):
        table.unlink()
    refused = life.clone.run(*asked, check=False)
    assert refused.returncode == 1
    assert "needs annotated pairs, or complete blocks" in refused.stderr


def registry_of(life: Life) -> str:
    """The address of the clone's embedded registry."""
    return f"sqlite:///{life.clone.root}/.variants/mlflow.db"


def fetch(life: Life, uri: str, folder: Path) -> str:
    """Downloads artifacts from the clone's registry into `folder`, and returns the folder."""
    environment = {"MLFLOW_TRACKING_URI": registry_of(life)}
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "artifacts",
        "download",
        "--artifact-uri",
        uri,
        "--dst-path",
        str(folder),
    ]
    subprocess.run(
        command, env=life.clone.environment | environment, check=True, capture_output=True
    )
    return str(folder)
