"""The registry's record of comparisons with a champion: which test pairs each of them looked at."""

from datetime import UTC, datetime

from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient

from ml.promote.alpha_spending import common_share

PREFIX = "comparison."  # tags of the registered model of candidates, which outlive its versions


def note_comparison(
    client: MlflowClient, challenger: ModelVersion, champion: ModelVersion, sketch: str
) -> None:
    """Notes that these two are compared on the test pairs of this sketch; noted once, however often it is repeated.

    Each comparison has a tag of its own, so that retrainings side by side cannot overwrite one
    another's.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    key = f"{PREFIX}{challenger.version}.{champion.version}"
    client.set_registered_model_tag(challenger.name, key, f"{now} {sketch}")


def count_comparisons(client: MlflowClient, candidates: str, sketch: str, same_pairs: float) -> int:
    """How many comparisons so far looked at test pairs of which at least the share `same_pairs` is common with these."""
    tags = client.get_registered_model(candidates).tags
    noted = [value.partition(" ")[2] for key, value in tags.items() if key.startswith(PREFIX)]
    return sum(common_share(sketch, one) >= same_pairs for one in noted)
