"""A client of MLflow for commands that only look: what it has asked once, it does not ask again."""

from mlflow.entities.model_registry import RegisteredModel
from mlflow.tracking import MlflowClient


class StillClient(MlflowClient):
    """A client that asks for each registered model once.

    Every question about the audit trail is one about a registered model, and on a server each costs
    a request. Nothing may be written between the making of this client and its last answer.

    Args:
        client: a client of the same registry.
    """

    def __init__(self, client: MlflowClient) -> None:
        super().__init__(client.tracking_uri, client.tracking_uri)
        self._models: dict[str, RegisteredModel] = {}

    def get_registered_model(self, name: str) -> RegisteredModel:
        """Returns a registered model as it was at the first question; see the base class."""
        if name not in self._models:
            self._models[name] = super().get_registered_model(name)
        return self._models[name]
