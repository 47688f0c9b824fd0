"""What a run says on its page in MLflow: its name, its note and its tags."""

from pathlib import PurePosixPath
from urllib.parse import urlsplit

from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient

from flows.local.git import author_of
from flows.local.markdown import plain
from flows.local.worktree import Worktree
from flows.registry.links import run_link, version_link
from flows.registry.run_values import decision_metrics
from flows.registry.tracking import log_values
from ml.core.errors import visible
from ml.promote.decision import Decision
from ml.promote.words import number, sentences, with_interval

NOTE = "mlflow.note.content"
OWN = ("**Passed", "**Refused")  # how the notes of this module begin
FILES = {  # file of a run → its name in the note
    "report.html": "report",
    "metrics.html": "metrics beside baselines",
    "gate/decision.md": "every check of the gate",
    "snapshot_diff/diff.html": "what changed in the shop",
}


def shop_name(source: str) -> str:
    """Returns a short name of a shop: the last part of its path or URL, without its account.

    Args:
        source: folder or URL; empty for the snapshot of the commit.
    """
    address = urlsplit(source)
    name = PurePosixPath(address.path).name or address.hostname or "same snapshot"
    return visible(name)[:40]


def first_tags(worktree: Worktree, source: str, flow_run: str, served: bool) -> dict[str, str]:
    """Returns the tags of a run when it begins.

    Args:
        source: folder or URL of the shop; empty for the snapshot of the commit.
        flow_run: id of the Prefect run.
        served: whether the flow was started on Prefect's page or by a schedule.
    """
    return {
        "retrain": worktree.name,
        "shop": shop_name(source),
        "prefect_flow_run": flow_run,
        "mlflow.user": author_of(worktree.root),
        "mlflow.source.name": "variants retrain",
        "mlflow.source.type": "JOB" if served else "LOCAL",
    }


def first_name(shop: str, method: str, epochs: int) -> str:
    """Returns the name of a run when it begins, such as "myntra · pbcnet_semi · 6 epochs"."""
    return f"{shop} · {method} · {epochs} epoch{'s' * (epochs != 1)}"


def summarize(
    client: MlflowClient, run_id: str, version: ModelVersion, decision: Decision, prefect: str
) -> None:
    """Shows the gate's decision on the page of the run: in its name, note, tags and metrics.

    A note that people wrote stays.

    Args:
        version: the candidate that the run made.
        prefect: URL of the page of the Prefect run that decided; empty if there is none.
    """
    metrics = decision_metrics(decision)
    log_values(client, run_id, version.model_id, metrics, {}, {"gate": decision.verdict})
    run = client.get_run(run_id)
    client.update_run(run_id, name=name_of(run, decision.verdict))
    if run.data.tags.get(NOTE, OWN[0]).startswith(OWN):
        folders = {one.path for one in client.list_artifacts(run_id)}
        client.set_tag(run_id, NOTE, note_of(run, folders, version, decision, prefect))


def name_of(run: Run, verdict: str) -> str:
    """Returns the name of a run that the gate has decided about: what it was, and what came out."""
    params, metric = run.data.params, run.data.metrics.get("test.block_ap")
    began = first_name(
        run.data.tags.get("shop", "shop"), params["train.method"], int(params["train.epochs"])
    )
    measured = "no test pairs" if metric is None else f"test AP {metric:.2f}"
    return f"{began} · {measured} · {verdict}"


def note_of(
    run: Run, folders: set[str], version: ModelVersion, decision: Decision, prefect: str
) -> str:
    """Returns the note of a run, in Markdown: verdict, gain, and links to what explains them.

    Args:
        folders: the files and folders that the run keeps at its top.
        version, prefect: as of `summarize`.
    """
    verdict = "Passed the gate" if decision.passed else "Refused by the gate"
    against = f" against `{decision.champion_model}`" if decision.champion_model else ""
    lines = [f"**{verdict}**{against}.", ""]
    lines += [f"- {plain(sentence)}." for sentence in sentences(decision)]
    for one in decision.compared:
        assert one.difference and one.champion  # it is a comparison
        lines += [
            f"- Gain in {one.metric}: {with_interval(one.difference)}; "
            f"{number(one.challenger['value'])} against the champion's "
            f"{number(one.champion['value'])} on the same test pairs."
        ]
    experiment, run_id = run.info.experiment_id, run.info.run_id
    links = {
        name: run_link(experiment, run_id, file)
        for file, name in FILES.items()
        if file.partition("/")[0] in folders
    }
    links |= {f"version {version.version}": version_link(version.name, version.version)}
    links |= {"Prefect run": prefect} if prefect else {}
    lines += ["", " · ".join(f"[{name}]({link})" for name, link in links.items())]
    return "\n".join(lines)
