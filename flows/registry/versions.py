"""The registered models: candidates that may be promoted, and the production model that consumers read."""

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
    """The promotion policy of the user's checkout."""
    return load_policy(project.root / POLICY)


def ensure_model(client: MlflowClient, name: str, description: str) -> None:
    """Creates a registered model if there is none of this name."""
    try:
        client.get_registered_model(name)
    except MlflowException:
        try:
            client.create_registered_model(name, description=description)
        except MlflowException:
            client.get_registered_model(
                name
            )  # another retraining was faster; anything else is an error here


def version_of_recipe(client: MlflowClient, name: str, recipe: str) -> ModelVersion | None:
    """The version that was made by this recipe from a commit, the newest of several."""
    found = client.search_model_versions(
        f"name = '{name}' and tags.recipe = '{recipe}' and tags.dirty = 'false'"
    )
    return max(found, key=lambda version: int(version.version), default=None)


def version_by_alias(client: MlflowClient, name: str, alias: str) -> ModelVersion | None:
    """The version that an alias points to, or None."""
    try:
        return client.get_model_version_by_alias(name, alias)
    except MlflowException:
        return None


def find_version(client: MlflowClient, uri: str) -> ModelVersion:
    """The version behind `models:/NAME/VERSION` or `models:/NAME@ALIAS`.

    Raises:
        UserError: no such model, version or alias; what there is instead is named.
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
            there = (
                f"there is {', '.join(names)}"
                if names
                else "nothing is registered yet: run `variants retrain`"
            )
            raise UserError(f"no model '{name}' is registered; {there}") from error
        model = client.get_registered_model(name)
        aliases = ", ".join(f"@{one}" for one in model.aliases) or "no alias"
        numbers = ", ".join(
            sorted(
                (str(one.version) for one in client.search_model_versions(f"name = '{name}'")),
                key=int,
            )
        )
        raise UserError(
            f"'{uri}' does not exist: the model '{name}' has {aliases} and the versions {numbers}"
        ) from error


def find_candidate(client: MlflowClient, names: ModelNames, version: str) -> ModelVersion:
    """The candidate of a version number, such as 7 or v7, or of an alias, such as @challenger; raises as `find_version`."""
    reference = version if version.startswith("@") else f"/{version.removeprefix('v')}"
    return find_version(client, f"models:/{names.candidates}{reference}")


def refusal_of(candidate: ModelVersion, policy: Policy) -> str | None:
    """What the gate said where it did not let a candidate pass, in words; None where it did, or where it only runs dry.

    In mode `dry-run` the gate must have seen it, but its refusal counts for uncommitted changes
    only.
    """
    verdict = candidate.tags.get("gate")
    waived = (
        policy.gate.mode == "dry-run"
        and verdict == "refused"
        and candidate.tags.get("dirty") == "false"
    )
    if verdict == "passed" or waived:
        return None
    return "the gate refused it" if verdict == "refused" else "the gate has not seen it"


def register(
    client: MlflowClient, name: str, model_id: str, run_id: str, tags: dict[str, str], card: str
) -> ModelVersion:
    """Registers a logged model as a candidate, unless this run has one already, and points `challenger` to it.

    Two registrations at once can collide on a version number; the store refuses one of them, which
    is tried again.
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
    """Points `challenger` to a candidate, unless it points to a newer one."""
    newest = version_by_alias(client, version.name, CHALLENGER)
    if newest is None or int(newest.version) < int(version.version):
        client.set_registered_model_alias(version.name, CHALLENGER, version.version)


def run_of(version: ModelVersion) -> str:
    """The id of the run that a version comes from."""
    assert version.run_id, f"{uri_of(version)} was registered without a run"
    return version.run_id


def model_file(client: MlflowClient, version: ModelVersion, name: str) -> Path:
    """Downloads a file of the model itself, which outlives the run that made it.

    Args:
        name: below the model's folder of weights and JSON, such as grouping.json.
    """
    uri = f"{uri_of(version)}/artifacts/model/{name}"
    return Path(download_artifacts(artifact_uri=uri, tracking_uri=client.tracking_uri))


def grouping_of(client: MlflowClient, version: ModelVersion) -> dict[str, Any]:
    """The grouping.json of a version.

    Models from before there was a choice of clusterings are grouped by average linkage.
    """
    return {"method": "average", **read_json(model_file(client, version, "grouping.json"))}


def uri_of(version: ModelVersion) -> str:
    """The address of a version, `models:/NAME/VERSION`."""
    return f"models:/{version.name}/{version.version}"
