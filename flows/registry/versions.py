"""The registered models: candidates, and the production model that consumers read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from flows.local.project import Project
from ml.core.errors import UserError
from ml.promote.policy import ModelNames, Policy, load_policy

CHALLENGER, CHAMPION = "challenger", "champion"
POLICY = Path("mlflow/promotion.yaml")
# MLflow's codes for what is not there; any other code may be an outage, which proves nothing.
ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")

Found = TypeVar("Found")


def or_none(ask: Callable[..., Found], *arguments: Any) -> Found | None:
    """Asks MLflow for something, and returns None if it is not there.

    Args:
        ask: a method of the client.
        arguments: of the method.

    Raises:
        MlflowException: MLflow cannot tell, for instance because its server is away.
    """
    try:
        return ask(*arguments)
    except MlflowException as error:
        if error.error_code not in ABSENT:
            raise
        return None


def policy_of(project: Project) -> Policy:
    """Reads the promotion policy of the user's checkout; it raises as `load_policy`."""
    return load_policy(project.root / POLICY)


def ensure_model(client: MlflowClient, name: str, description: str) -> None:
    """Creates a registered model if there is none of this name."""
    try:
        client.get_registered_model(name)
    except MlflowException:
        try:
            client.create_registered_model(name, description=description)
        except MlflowException:
            # Another retraining was faster. If something else was wrong, this call raises it.
            client.get_registered_model(name)


def version_of_recipe(client: MlflowClient, name: str, recipe: str) -> ModelVersion | None:
    """Returns the newest version that this recipe made from a commit, or None."""
    found = client.search_model_versions(
        f"name = '{name}' and tags.recipe = '{recipe}' and tags.dirty = 'false'"
    )
    return max(found, key=lambda version: int(version.version), default=None)


def version_by_alias(client: MlflowClient, name: str, alias: str) -> ModelVersion | None:
    """Returns the version that an alias points to, or None; it raises as `or_none`."""
    return _of_model(client, name, client.get_model_version_by_alias, alias)


def version_by_number(client: MlflowClient, name: str, number: str) -> ModelVersion | None:
    """Returns a version by its number, or None; it raises as `or_none`."""
    return _of_model(client, name, client.get_model_version, number)


def _of_model(
    client: MlflowClient, name: str, ask: Callable[[str, str], ModelVersion], which: str
) -> ModelVersion | None:
    """Asks for a version; a server with accounts forbids to ask for that of a missing model."""
    return or_none(ask, name, which) if or_none(client.get_registered_model, name) else None


def same_model(first: ModelVersion, second: ModelVersion) -> bool:
    """Returns whether two versions hold the same model.

    A URI does not tell: after a registered model was deleted, its numbers begin at 1 again.
    """
    return (first.model_id, first.run_id) == (second.model_id, second.run_id)


def find_version(client: MlflowClient, uri: str) -> ModelVersion:
    """Finds the version of a URI `models:/NAME/VERSION` or `models:/NAME@ALIAS`.

    Raises:
        UserError: there is no such model, version or alias; the message names those that exist.
    """
    text = uri.removeprefix("models:/")
    name, _, alias = text.partition("@")
    name, _, number = name.partition("/")
    try:
        return (
            client.get_model_version_by_alias(name, alias)
            if alias
            else client.get_model_version(name, number)
        )
    except MlflowException as error:
        names = [model.name for model in client.search_registered_models()]
        if name not in names:
            there = f"name one of {', '.join(names)}" if names else "run `variants retrain` first"
            raise UserError(f"no model '{name}' is registered: {there}") from error
        model = client.get_registered_model(name)
        aliases = ", ".join(f"@{one}" for one in model.aliases) or "no alias"
        versions = client.search_model_versions(f"name = '{name}'")
        numbers = ", ".join(sorted((str(one.version) for one in versions), key=int)) or "none"
        hint = "; `variants status` says what happened to it and what to do" if alias else ""
        raise UserError(
            f"'{uri}' does not exist: the model '{name}' has {aliases} and the versions {numbers}"
            f"{hint}"
        ) from error


def find_candidate(client: MlflowClient, names: ModelNames, version: str) -> ModelVersion:
    """Finds a candidate; it raises as `find_version`.

    Args:
        version: a version number such as 7 or v7, or an alias such as @challenger.
    """
    reference = version if version.startswith("@") else f"/{version.removeprefix('v')}"
    return find_version(client, f"models:/{names.candidates}{reference}")


def refusal_of(
    candidate: ModelVersion, decided: dict[str, str] | None, policy: Policy
) -> str | None:
    """Returns in words why the gate does not let a candidate pass; None if it does.

    In mode `dry-run` the gate must have decided too, but a refusal counts only if the candidate was
    made from uncommitted changes.

    Args:
        decided: the gate's last decision by the audit trail (see `decision_on_record`), or None.
    """
    differs = edited(candidate, decided)
    if differs:
        return f"{differs}; the same `variants retrain` lets the gate decide anew"
    verdict = decided["verdict"] if decided else None
    waived = (
        policy.gate.mode == "dry-run"
        and verdict == "refused"
        and candidate.tags.get("dirty") == "false"
    )
    if verdict == "passed" or waived:
        return None
    return "the gate refused it" if verdict == "refused" else "the gate has not decided about it"


def edited(candidate: ModelVersion, decided: dict[str, str] | None) -> str | None:
    """Returns in words how a candidate's tags and the gate's decision on record differ, or None.

    Args:
        decided: the gate's last decision by the audit trail, or None.
    """
    for tag, fact in (("gate", "verdict"), ("gate_champion", "champion")):
        says, said = candidate.tags.get(tag), decided[fact] if decided else None
        if says != said:
            return (
                f"its tag `{tag}` says {says or 'nothing'}, but the gate's decision in the audit "
                f"trail says {said or 'nothing'}: somebody has changed one of them"
            )
    return None


def register(
    client: MlflowClient, name: str, model_id: str, run_id: str, tags: dict[str, str], card: str
) -> ModelVersion:
    """Registers a logged model as a candidate and points `challenger` to it.

    If this run has registered a candidate already, that one is taken. Two registrations at once can
    collide on a version number; MLflow then refuses one of them, and this function tries again.

    Args:
        name: of the registered model.
        model_id: of the logged model.
        run_id: of the run that holds the logged model.
        tags: of the version.
        card: description of the version, in Markdown.

    Returns:
        The version.

    Raises:
        MlflowException: MLflow refused five times.
    """
    ensure_model(
        client, name, "Models that may be promoted. Consumers read the production model instead."
    )
    known = client.search_model_versions(f"name = '{name}' and run_id = '{run_id}'")
    version = known[0] if known else None
    for attempt in range(5):
        if version:
            break
        try:
            version = client.create_model_version(
                name, f"models:/{model_id}", run_id, tags=tags, description=card, model_id=model_id
            )
        except MlflowException:
            if attempt == 4:
                raise
    assert version is not None
    challenge(client, version)
    return version


def challenge(client: MlflowClient, version: ModelVersion) -> None:
    """Points `challenger` to a candidate, unless it points to a newer one already."""
    newest = version_by_alias(client, version.name, CHALLENGER)
    if newest is None or int(newest.version) < int(version.version):
        client.set_registered_model_alias(version.name, CHALLENGER, version.version)


def run_of(client: MlflowClient, version: ModelVersion) -> str | None:
    """Returns the id of the run that a version comes from.

    It is None if people have registered the version without a run or have deleted the run. A model
    does not need its run: what a decision needs lies in the model and in its tags. It raises as
    `or_none`.
    """
    run = or_none(client.get_run, version.run_id) if version.run_id else None
    return version.run_id if run and run.info.lifecycle_stage == "active" else None


def where_decided(client: MlflowClient, candidate: ModelVersion) -> str:
    """Returns where people find the gate's reasons, which are in the run as long as it is there."""
    if run_of(client, candidate):
        return "its run in MLflow holds gate/decision.md"
    return "its run is gone, so only the first line of its description says why"


def uri_of(version: ModelVersion) -> str:
    """Returns the URI of a version, `models:/NAME/VERSION`."""
    return f"models:/{version.name}/{version.version}"
