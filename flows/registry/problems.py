"""What people have done to the registry by hand, and how each state is mended."""

import re
import shlex

from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient

from flows.registry.audit_trail import decision_on_record, event_of, event_tags
from flows.registry.champion_to_beat import champion_to_beat
from flows.registry.experiment import EXPERIMENT
from flows.registry.lost_models import lost_candidates
from flows.registry.model_files import unusable
from flows.registry.problem import Problem
from flows.registry.versions import (
    CHALLENGER,
    CHAMPION,
    edited,
    or_none,
    uri_of,
    version_by_alias,
)
from ml.core.credentials import without_credentials
from ml.core.errors import UserError
from ml.promote.policy import ModelNames

LOGGED = re.compile(r"/models/(m-[0-9a-f]{32})/")  # in the place of the files of a logged model


def problems(
    client: MlflowClient,
    names: ModelNames,
    production: list[ModelVersion],
    candidates: list[ModelVersion],
) -> list[Problem]:
    """Returns every state that somebody should mend, the most urgent first.

    Args:
        production, candidates: the versions to look at, newest first. The champion is looked at in
            any case.
    """
    champion = version_by_alias(client, names.production, CHAMPION)
    if champion and uri_of(champion) not in map(uri_of, production):
        production = [champion, *production]
    versions = [*production, *candidates]
    first = {one.run_id: one for one in reversed(versions) if one.run_id}  # of each run
    found = [
        _champion(client, names),
        lost_candidates(client, names),
        _challenger(client, names, candidates),
        _experiment(client),
        *_unreadable_events(client, names),
        *(_origin(version, names) for version in versions),
        *(_files(client, version) for version in versions),
        *(_tags(client, candidate) for candidate in candidates),
        *(_run(client, version) for version in first.values()),
    ]
    return list(dict.fromkeys(one for one in found if one is not None))


def _champion(client: MlflowClient, names: ModelNames) -> Problem | None:
    try:
        return champion_to_beat(client, names).problem
    except UserError as error:
        alias = f"models:/{names.production}@{CHAMPION}"
        return Problem(str(error), alias, "see whether the place of the files answers")


def _challenger(
    client: MlflowClient, names: ModelNames, candidates: list[ModelVersion]
) -> Problem | None:
    """Looks whether `challenger` points to the newest candidate."""
    alias = f"models:/{names.candidates}@{CHALLENGER}"
    now = version_by_alias(client, names.candidates, CHALLENGER)
    if not candidates or (now and now.version == candidates[0].version):
        return None
    newest = candidates[0].version
    is_so = f"points to version {now.version}" if now else "is gone"
    return Problem(
        f"{alias} {is_so}, but the newest candidate is version {newest}",
        alias,
        f"name candidates by their number, as in `variants approve {newest}`; the next `variants "
        "retrain` sets the alias again",
    )


def _experiment(client: MlflowClient) -> Problem | None:
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is None or experiment.lifecycle_stage == "active":
        return None
    command = f"mlflow experiments restore --experiment-id {experiment.experiment_id}"
    return Problem(
        f"the experiment '{EXPERIMENT}' was deleted, with the runs in it",
        "",
        f"the next new `variants retrain` restores it, and so does `{_here(client, command)}`",
    )


def _unreadable_events(client: MlflowClient, names: ModelNames) -> list[Problem]:
    return [
        Problem(
            f"the tag {key} of the registered model '{name}' held an event of the audit trail, "
            "and can no longer be read",
            f"models:/{name}",
            "somebody has edited it, so correct it on MLflow's page; it counts for nothing until "
            "then",
        )
        for name in (names.production, names.candidates)
        for key, value in event_tags(client, name).items()
        if event_of(value) is None
    ]


def _origin(version: ModelVersion, names: ModelNames) -> Problem | None:
    """Looks whether a retraining, or a promotion, has registered the version."""
    candidate = version.name == names.candidates
    if version.tags.get("recipe" if candidate else "candidate"):
        return None
    return Problem(
        f"{uri_of(version)} was registered by hand, without the tags of a "
        f"{'retraining' if candidate else 'promotion'}",
        uri_of(version),
        "it can be neither approved, promoted nor reproduced; `variants retrain` makes candidates "
        "that can, and MLflow's page deletes this version",
    )


def _files(client: MlflowClient, version: ModelVersion) -> Problem | None:
    try:
        why = unusable(client, version)
    except UserError as error:
        return Problem(str(error), uri_of(version), "see whether the place of the files answers")
    if why is None:
        return _logged_model(client, version)
    return Problem(
        f"the model of {uri_of(version)} cannot be used, since {why}",
        uri_of(version),
        "restore the files from a backup; the same `variants retrain` makes the same model again",
    )


def _logged_model(client: MlflowClient, version: ModelVersion) -> Problem | None:
    """Looks whether the logged model whose files the version uses is deleted."""
    place = client.get_model_version_download_uri(version.name, str(version.version))
    logged = LOGGED.search(place)
    if logged is None:
        return None
    if or_none(client.get_logged_model, logged[1]):
        return None
    return Problem(
        f"the logged model {logged[1]} of {uri_of(version)} was deleted, but its files still serve",
        uri_of(version),
        f"keep a copy of {place}, since `mlflow gc` removes it for good and MLflow cannot restore "
        "a logged model; once the files are gone, the same `variants retrain` makes the same model "
        "again",
    )


def _run(client: MlflowClient, version: ModelVersion) -> Problem | None:
    """Looks whether the run of a version is there."""
    kept = "the model, its decision and its approvals are in the registry and still count"
    run = or_none(client.get_run, str(version.run_id))
    if run is None:
        return Problem(
            f"the run of {uri_of(version)} was deleted for good, with its report and curves",
            uri_of(version),
            f"nothing has to be done: {kept}",
        )
    if run.info.lifecycle_stage == "active":
        return None
    if client.get_experiment(run.info.experiment_id).lifecycle_stage == "deleted":
        return None  # with its experiment, which has a problem of its own
    command = _here(client, f"mlflow runs restore --run-id {version.run_id}")
    return Problem(
        f"the run of {uri_of(version)} was deleted, with its report and curves",
        uri_of(version),
        f"`{command}` restores it until `mlflow gc` removes it for good; {kept}",
    )


def _tags(client: MlflowClient, candidate: ModelVersion) -> Problem | None:
    if "gate" not in candidate.tags:
        return None  # the gate may be deciding at this moment
    differs = edited(candidate, decision_on_record(client, candidate))
    if differs is None:
        return None
    return Problem(
        f"{uri_of(candidate)}: {differs}",
        uri_of(candidate),
        "it cannot be promoted like this; the same `variants retrain` lets the gate decide anew",
    )


def _here(client: MlflowClient, command: str) -> str:
    """Returns an MLflow command that works on this registry."""
    address = without_credentials(client.tracking_uri)
    return f"MLFLOW_TRACKING_URI={shlex.quote(address)} {command}"
