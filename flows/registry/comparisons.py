"""Records in the registry which test pairs each comparison with a champion used."""

from datetime import UTC, datetime

from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient

from ml.promote.alpha_spending import common_share

# Prefix of tags on the registered model of candidates. They stay when its versions are deleted.
PREFIX = "comparison."


def note_comparison(
    client: MlflowClient, challenger: ModelVersion, champion: ModelVersion, sketch: str
) -> None:
    """Notes that challenger and champion are compared on certain test pairs.

    Each comparison has a tag of its own, so that concurrent retrainings cannot overwrite each
    other's tags. A repeated comparison of the same two versions still has only one tag.

    Args:
        sketch: the test pairs, as `ml.promote.alpha_spending` sketches them.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    key = f"{PREFIX}{challenger.version}.{champion.version}"
    client.set_registered_model_tag(challenger.name, key, f"{now} {sketch}")


def count_comparisons(client: MlflowClient, candidates: str, sketch: str, same_pairs: float) -> int:
    """Counts the comparisons so far that used nearly the same test pairs.

    Args:
        candidates: name of the registered model of candidates.
        sketch: the test pairs of the new comparison.
        same_pairs: a comparison counts if at least this share of the pairs is common, 0 to 1.
    """
    tags = client.get_registered_model(candidates).tags
    noted = [value.partition(" ")[2] for key, value in tags.items() if key.startswith(PREFIX)]
    return sum(common_share(sketch, one) >= same_pairs for one in noted)
