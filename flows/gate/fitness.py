"""Whether a candidate may become the champion, whoever has approved it; it needs no Prefect."""

from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient

from flows.registry.audit_trail import decision_on_record
from flows.registry.champion_to_beat import ToBeat, champion_to_beat
from flows.registry.model_files import refuse_unusable
from flows.registry.production import is_copy
from flows.registry.versions import refusal_of, uri_of, where_decided
from ml.core.errors import UserError
from ml.promote.policy import Policy


def refuse_unfit_now(client: MlflowClient, policy: Policy, candidate: ModelVersion) -> ToBeat:
    """Refuses a candidate that may not become the champion, as the registry is at this moment.

    Returns:
        The champion that the candidate replaces.

    Raises:
        UserError: as `refuse_unfit`, or the candidate's model cannot be used.
    """
    to_beat = champion_to_beat(client, policy.models)
    decided, where = decision_on_record(client, candidate), where_decided(client, candidate)
    refuse_unfit(candidate, decided, to_beat, policy, where)
    refuse_unusable(client, candidate)
    return to_beat


def refuse_unfit(
    candidate: ModelVersion,
    decided: dict[str, str] | None,
    to_beat: ToBeat,
    policy: Policy,
    where: str,
) -> None:
    """Refuses a candidate that may not become the champion, whoever has approved it.

    Args:
        decided: the gate's last decision about it by the audit trail, or None.
        to_beat: today's champion.
        where: where people find the gate's reasons.

    Raises:
        UserError: the gate has not passed the candidate, the gate compared it with another champion
            than today's, the candidate is the champion already, or the policy requires a
            reproduction and there is none.
    """
    uri, refusal = uri_of(candidate), refusal_of(candidate, decided, policy)
    if decided is None or refusal:
        raise UserError(f"{uri} cannot be promoted: {refusal}; {where}")
    if policy.approval.reproduced and not candidate.tags.get("reproduced", "").startswith("equal"):
        outcome = candidate.tags.get("reproduced", "nobody has tried")
        raise UserError(
            f"{uri} cannot be promoted: the policy requires that `variants reproduce {uri}` has "
            f"made it again; so far: {outcome}"
        )
    if to_beat.version and is_copy(to_beat.version, candidate):
        what = f", but {to_beat.problem}" if to_beat.problem else ": there is nothing to promote"
        raise UserError(f"{uri} is the champion already{what}")
    compared = decided["champion"]
    if compared != to_beat.uri and to_beat.problem:
        raise UserError(f"{uri} cannot be promoted to replace {compared}, since {to_beat.problem}")
    if compared != to_beat.uri:
        raise UserError(
            f"{uri} cannot be promoted: the gate compared it with the champion {compared}, but "
            f"today's champion is {to_beat.uri}, so the decision is stale; run `variants retrain` "
            "again on current data"
        )
