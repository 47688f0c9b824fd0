"""A client of MLflow for commands that only look: what it has asked once, it does not ask again."""

from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.tracking import MlflowClient


class StillClient(MlflowClient):
    """A client that asks for each registered model, alias and run once.

    Every question about the audit trail is one about a registered model, and on a server each costs
    a request. Nothing may be written between the making of this client and its last answer.

    Args:
        client: a client of the same registry.
    """

    def __init__(self, client: MlflowClient) -> None:
        super().__init__(client.tracking_uri, client.tracking_uri)
        self._models: dict[str, RegisteredModel] = {}
        self._aliases: dict[tuple[str, str], ModelVersion] = {}
        self._runs: dict[str, Run] = {}

    def get_registered_model(self, name: str) -> RegisteredModel:
        """Returns a registered model as it was at the first question; see the base class."""
        if name not in self._models:
            self._models[name] = super().get_registered_model(name)
        return self._models[name]

    def get_model_version_by_alias(self, name: str, alias: str) -> ModelVersion:
        """Returns the version of an alias as it was at the first question; see the base class."""
        if (name, alias) not in self._aliases:
            self._aliases[name, alias] = super().get_model_version_by_alias(name, alias)
        return self._aliases[name, alias]

    def get_run(self, run_id: str) -> Run:
        """Returns a run as it was at the first question; see the base class."""
        if run_id not in self._runs:
            self._runs[run_id] = super().get_run(run_id)
        return self._runs[run_id]
