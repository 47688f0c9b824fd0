"""The experiment that holds the runs of retrainings, with its note and its saved views."""

from collections.abc import Callable
from contextlib import suppress
from typing import Literal

from mlflow.entities import Experiment, ViewType
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from flows.local.project import Project
from flows.registry.links import experiments_link, runs_link
from flows.registry.saved_views import CURVES_VIEW, RELEASES_VIEW, view_tags
from flows.registry.tracking import one_at_a_time

EXPERIMENT = "color-variants"
EMPTY = "Default"  # MLflow makes it in every new store
NOTE = "mlflow.note.content"
TAGS = {
    "mlflow.experimentKind": "custom_model_development",  # not one of language models
    "mlflow.experiment.primaryMetric.name": "test.block_ap",
}


def open_experiment(project: Project, client: MlflowClient, warn: Callable[[str], None]) -> str:
    """Returns the id of the experiment that holds the runs of retrainings.

    It makes the experiment if there is none. If somebody has deleted it, it is restored, since
    MLflow gives its name to no other experiment. Its saved views are brought up to date, and so is
    its note unless people have written another one.

    Args:
        warn: called with a line if the experiment is restored.
    """
    with one_at_a_time(project):
        experiment, done = find_or_make(project, client, EXPERIMENT)
        if done == "made":
            remove_empty(client)
        elif done == "restored":
            warn(
                f"the experiment '{EXPERIMENT}' was deleted in MLflow: it is restored, with the "
                "runs that were deleted with it, since the runs of retrainings belong to it"
            )
        identity = str(experiment.experiment_id)
        theirs = {} if experiment.tags.get(NOTE) else {NOTE: note_of(identity)}
        for name, value in (TAGS | view_tags() | theirs).items():
            if experiment.tags.get(name) != value:
                client.set_experiment_tag(identity, name, value)
        return identity


def find_or_make(
    project: Project, client: MlflowClient, name: str
) -> tuple[Experiment, Literal["there", "made", "restored"]]:
    """Returns the experiment of a name, and what had to be done for it.

    One that somebody has deleted is restored, with its runs. Call it in `one_at_a_time`.
    """
    found = client.get_experiment_by_name(name)
    if found is None:
        embedded = project.mlflow_uri.startswith("sqlite:///")
        place = (project.room / "mlartifacts").as_uri() if embedded else None
        made = client.create_experiment(name, artifact_location=place)
        return client.get_experiment(made), "made"
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
        return found, "restored"
    return found, "there"


def front_page(client: MlflowClient) -> str:
    """Returns the part from `#` on of the address of the releases, or of an empty list of them."""
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        return experiments_link()
    return runs_link(str(experiment.experiment_id), viewStateShareKey=RELEASES_VIEW)


def note_of(experiment: str) -> str:
    """Returns the note of the experiment, in Markdown."""
    releases = runs_link(experiment, viewStateShareKey=RELEASES_VIEW)
    curves = runs_link(experiment, viewStateShareKey=CURVES_VIEW, compareRunsMode="CHART")
    return (
        "Each run is a retraining of the model that finds colour variants: one shop, one set of "
        "params, one candidate, one decision of the gate.\n\n"
        f"- [Releases]({releases}): what became of each run, and what it gained\n"
        f"- [Curves]({curves}): dev metric and loss by epoch\n\n"
        "`test.*` and `dev.*` are metrics of the test and dev splits, `epoch.*` those of each "
        "epoch. `gate.gain.*` are differences to the champion on the same pairs; "
        "their intervals are in `gate/decision.md` of a run, baselines in its `metrics.html`. "
        "Words are explained in docs/glossary.md."
    )


def remove_empty(client: MlflowClient) -> None:
    """Deletes the experiment that MLflow makes in every new store, if no run is in it."""
    empty = client.get_experiment_by_name(EMPTY)
    if empty is None or empty.lifecycle_stage == "deleted":
        return
    if not client.search_runs([empty.experiment_id], run_view_type=ViewType.ALL, max_results=1):
        with suppress(MlflowException):  # it is another account's
            client.delete_experiment(empty.experiment_id)
