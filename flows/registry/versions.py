"""The registered models: candidates, and the production model that consumers read."""

from pathlib import Path
from typing import Any

from mlflow.artifacts import download_artifacts
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from flows.local.project import Project
from ml.core.errors import UserError
from ml.core.files import read_json
from ml.promote.policy import ModelNames, Policy, load_policy

CHALLENGER, CHAMPION = "challenger", "champion"
POLICY = Path("mlflow/promotion.yaml")


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
    """Returns the version that an alias points to, or None."""
    try:
        return client.get_model_version_by_alias(name, alias)
    except MlflowException:
        return None


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
        numbers = ", ".join(sorted((str(one.version) for one in versions), key=int))
        raise UserError(
            f"'{uri}' does not exist: the model '{name}' has {aliases} and the versions {numbers}"
        ) from error


def find_candidate(client: MlflowClient, names: ModelNames, version: str) -> ModelVersion:
    """Finds a candidate; it raises as `find_version`.

    Args:
        version: a version number such as 7 or v7, or an alias such as @challenger.
    """
    reference = version if version.startswith("@") else f"/{version.removeprefix('v')}"
    return find_version(client, f"models:/{names.candidates}{reference}")


def refusal_of(candidate: ModelVersion, policy: Policy) -> str | None:
    """Returns in words why the gate does not let a candidate pass; None if it does.

    In mode `dry-run` the gate must have decided too, but a refusal counts only if the candidate was
    made from uncommitted changes.
    """
    verdict = candidate.tags.get("gate")
    waived = (
        policy.gate.mode == "dry-run"
        and verdict == "refused"
        and candidate.tags.get("dirty") == "false"
    )
    if verdict == "passed" or waived:
        return None
    return "the gate refused it" if verdict == "refused" else "the gate has not decided about it"


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


def run_of(version: ModelVersion) -> str:
    """Returns the id of the run that a version comes from."""
    assert version.run_id, f"{uri_of(version)} was registered without a run"
    return version.run_id


def model_file(client: MlflowClient, version: ModelVersion, name: str) -> Path:
    """Downloads a file of the model itself, which is still there if the run is deleted.

    Args:
        name: path below the model's folder of weights and JSON, such as grouping.json.

    Returns:
        The downloaded file.
    """
    uri = f"{uri_of(version)}/artifacts/model/{name}"
    return Path(download_artifacts(artifact_uri=uri, tracking_uri=client.tracking_uri))


def grouping_of(client: MlflowClient, version: ModelVersion) -> dict[str, Any]:
    """Returns the content of a version's grouping.json.

    Its "method" is "average" for models from before there was a choice of clusterings.
    """
    return {"method": "average", **read_json(model_file(client, version, "grouping.json"))}


def uri_of(version: ModelVersion) -> str:
    """Returns the URI of a version, `models:/NAME/VERSION`."""
    return f"models:/{version.name}/{version.version}"
