"""Files that a run keeps for pages: what is there, and the content of its JSON files."""

from functools import lru_cache
from typing import Any

from mlflow.artifacts import load_dict
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient


def kept(client: MlflowClient, run: str, file: str) -> dict[str, Any] | None:
    """Returns the content of a JSON file of a run, or None if the run has no such file."""
    try:
        found = load_dict(f"{client.get_run(run).info.artifact_uri}/{file}")
    except (MlflowException, OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


class DecidedFiles:
    """The files of a run as they were at a decision of the gate, each read once by this process.

    A retraining writes them before it notes the decision, and only a later decision writes them
    again; so the decision's time tells two contents apart.

    Attributes:
        run: MLflow run id.
        experiment: id of its experiment.
        place: URI of its files.
        decided: when the gate decided (UTC, ISO 8601).
        names: paths of the files in the folders that pages show.
    """

    def __init__(self, client: MlflowClient, run: str, decided: str) -> None:
        info = client.get_run(run).info
        self.run, self.experiment = run, str(info.experiment_id)
        self.place, self.decided = str(info.artifact_uri), decided
        self.names = _names(client.tracking_uri, run, decided)

    def json(self, file: str) -> dict[str, Any] | None:
        """Returns the content of a JSON file, or None if there is none that can be read."""
        if file not in self.names:
            return None
        try:
            return _content(f"{self.place}/{file}", self.decided)
        except (MlflowException, OSError, ValueError):
            return None


@lru_cache(maxsize=64)
def _names(tracking: str, run: str, decided: str) -> frozenset[str]:
    client = MlflowClient(tracking, tracking)
    folders = (None, "gate", "snapshot_diff")
    return frozenset(one.path for folder in folders for one in client.list_artifacts(run, folder))


@lru_cache(maxsize=32)
def _content(place: str, decided: str) -> dict[str, Any]:
    found = load_dict(place)
    if not isinstance(found, dict):
        raise ValueError(f"{place} holds another thing")
    return found
