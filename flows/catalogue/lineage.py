"""The MLflow run of a grouping, in an experiment of its own."""

import json
from collections.abc import Callable

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from flows.local.project import Project
from flows.registry.experiment import NOTE, find_or_make
from flows.registry.tracking import one_at_a_time
from ml.catalogue.versions import Version

EXPERIMENT = "color-variants-groupings"
WORDS = (
    "Each run is a version of a catalogue's grouping: which model grouped which shop, and what "
    "changed. `variants groups show CATALOGUE` shows the newest one."
)
PARAMS = ("model", "clustering", "threshold", "margin", "refresh", "anew", "source", "corrections")


def note_grouping(
    project: Project, client: MlflowClient, version: Version, log: Callable[[str], None]
) -> str | None:
    """Logs a version to MLflow, once; returns the run's id, or None if this account may not.

    Args:
        log: called with a line if nothing is noted.
    """
    facts = version.facts
    done = f"attributes.status = 'FINISHED' and tags.grouping_id = '{facts['id']}'"
    try:
        experiment = _experiment(project, client)
        for noted in client.search_runs([experiment], done, max_results=1):
            return str(noted.info.run_id)
        run = client.create_run(
            experiment,
            run_name=f"{facts['catalogue']} {version.number}",
            tags={
                "catalogue": facts["catalogue"],
                "grouping": str(version.number),
                "grouping_id": facts["id"],
                "predecessor": str(facts["predecessor"] or ""),
                "by": facts["by"],
                "model_files": facts["model_files"],
            },
        ).info.run_id
        for name in PARAMS:
            client.log_param(run, name, facts[name])
        for name, value in (facts["counts"] | _prefixed("changes.", facts["changes"])).items():
            client.log_metric(run, name, value)
        client.log_text(run, json.dumps(facts, indent=2, ensure_ascii=False), "version.json")
        client.log_text(run, version.changes.to_csv(index=False), "changes.csv")
        client.set_terminated(run)
        return str(run)
    except MlflowException as error:
        log(f"warning: this grouping is not noted in MLflow: {error}")
        return None


def _prefixed(prefix: str, values: dict[str, int]) -> dict[str, int]:
    return {f"{prefix}{name}": value for name, value in values.items()}


def _experiment(project: Project, client: MlflowClient) -> str:
    with one_at_a_time(project):
        experiment, done = find_or_make(project, client, EXPERIMENT)
        identity = str(experiment.experiment_id)
        if done == "made":
            client.set_experiment_tag(identity, NOTE, WORDS)
        return identity
