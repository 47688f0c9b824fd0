"""The champion that a candidate has to beat, whatever people have done to the registry by hand."""

from dataclasses import dataclass

from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient

from flows.registry.lost_models import lost_production
from flows.registry.model_files import unusable
from flows.registry.problem import Problem
from flows.registry.production import (
    champions_on_record,
    last_move,
    made_champion,
    number_of,
    promoted,
)
from flows.registry.versions import CHAMPION, uri_of, version_by_alias, version_by_number
from ml.promote.policy import ModelNames


@dataclass(frozen=True)
class ToBeat:
    """The champion that the gate compares a candidate with, and that a promotion replaces.

    Attributes:
        version: the champion that serves. If it is lost, the last one of the audit trail that can
            still be used, so that no candidate gets by without a comparison. None if there is none.
        problem: why this is not simply the champion that the audit trail names; None if it is.
    """

    version: ModelVersion | None
    problem: Problem | None = None

    @property
    def uri(self) -> str:
        """URI of the version; "none" if there is none."""
        return uri_of(self.version) if self.version else "none"


def champion_to_beat(client: MlflowClient, names: ModelNames) -> ToBeat:
    """Finds the champion that a candidate has to beat.

    Raises:
        UserError: the place of a champion's files does not answer.
    """
    alias = f"models:/{names.production}@{CHAMPION}"
    served = version_by_alias(client, names.production, CHAMPION)
    recorded = champions_on_record(client, names)
    if served is None and not recorded:
        return ToBeat(None, lost_production(client, names))
    why = unusable(client, served) if served else None
    if served and why is None:
        return ToBeat(served, off_record(client, names, served))
    about = uri_of(served) if served else alias
    if served:
        state = f"{about} serves, but {why}"
    elif version_by_number(client, names.production, recorded[0]):
        state = f"nothing serves, since somebody has removed the alias {alias}"
    else:
        last = f"models:/{names.production}/{recorded[0]}"
        state = f"nothing serves, since somebody has deleted {last}, which did"
    for number in recorded:
        earlier = version_by_number(client, names.production, number)
        if earlier is None or (served and number == str(served.version)):
            continue
        if unusable(client, earlier) is None:
            mend = (
                f"`variants rollback --to {number} --reason WHY` lets {uri_of(earlier)} serve; "
                "until then the gate compares candidates with it"
            )
            return ToBeat(earlier, Problem(state, about, mend))
    mend = (
        "no earlier champion can be used either, so `variants retrain`, `variants approve` and "
        "`variants promote` make a new one, which the gate judges like the first; or restore the "
        "files from a backup"
    )
    return ToBeat(None, Problem(state, about, mend))


def is_off_record(client: MlflowClient, names: ModelNames, served: ModelVersion) -> bool:
    """Returns whether somebody has moved the alias by hand to the version that serves.

    It is not so if the version is the one on record, or if a promotion or rollback died.
    """
    recorded = champions_on_record(client, names)
    if recorded and recorded[0] == str(served.version):
        return False
    if made_champion(served) and uri_of(served) not in promoted(client, names):
        return False
    last = last_move(client, names)
    died = last and last["what"] == "rollback" and last.get("replaced") == str(served.version)
    return not died


def off_record(client: MlflowClient, names: ModelNames, served: ModelVersion) -> Problem | None:
    """Returns what is wrong if the audit trail does not name the version that serves; else None.

    Args:
        served: the version that `champion` points to.
    """
    recorded, uri = champions_on_record(client, names), uri_of(served)
    if recorded and recorded[0] == str(served.version):
        return None
    once = uri in promoted(client, names)
    if made_champion(served) and not once:
        number = number_of(served.tags.get("candidate", ""))
        state = f"{uri} serves, but its promotion died before it was on record"
        return Problem(state, uri, f"`variants promote {number}` finishes it")
    state = f"{uri} serves, but nobody promoted it here"
    if once:
        state = f"{uri} serves, which was the champion once, but is not the one on record"
    if not recorded:
        return Problem(
            f"{state}, so somebody has set the alias by hand",
            uri,
            "a release manager takes the alias away with `variants rollback --reason WHY`, or "
            "promotes a candidate that the gate has compared with it: `variants retrain`, "
            "`variants approve`, `variants promote`",
        )
    return Problem(
        f"{state}, so somebody has moved the alias by hand, or a rollback died",
        uri,
        f"the audit trail names models:/{names.production}/{recorded[0]}, and a release manager "
        "lets it serve again with `variants rollback --reason WHY`",
    )
