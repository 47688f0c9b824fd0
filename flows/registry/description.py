"""The first line of a version's description: its verdict, by the audit trail.

MLflow's button *Promote model* works on every version, also on one that the gate refused, so the
line says what people use instead.
"""

import re
from contextlib import suppress

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from flows.local.markdown import code, plain
from flows.registry.audit_trail import MOVES, events
from flows.registry.versions import uri_of
from ml.promote.policy import ModelNames

OWN = re.compile(  # how the lines of this module begin
    r"\A\*\*(Not decided|Refused|Passed|Approved|Rejected|Promoted|Serves|Was rolled back|Replaced"
    r"|Only copied)\b[^\n]*\n*"
)
BUTTON = "MLflow's button *Promote model* does not ask the gate"


def describe(client: MlflowClient, names: ModelNames, *versions: ModelVersion) -> None:
    """Rebuilds the first line of the description of each version; the model card below it stays.

    The audit trail decides, and the line only shows it: if it cannot be written, nothing else
    fails.
    """
    with suppress(MlflowException):
        trail = events(client, names)
        for version in versions:
            known = client.get_model_version(version.name, version.version).description or ""
            line, card = headline(uri_of(version), trail, names), OWN.sub("", known, count=1)
            described = f"{line}\n\n{card}"
            if described != known:
                client.update_model_version(version.name, version.version, described)


def headline(uri: str, trail: list[dict[str, str]], names: ModelNames) -> str:
    """Returns the verdict about a version in one line of Markdown.

    Args:
        uri: of a candidate or a production version.
        trail: every event on record, oldest first.
    """
    if uri.startswith(f"models:/{names.production}/"):
        return _of_production(uri, trail)
    return _of_candidate(uri, trail)


def _of_candidate(uri: str, trail: list[dict[str, str]]) -> str:
    number = uri.rpartition("/")[2]
    own = [event for event in trail if uri in (event["version"], event.get("candidate"))]
    promote = f"`variants promote {number}`"
    instead = f"{BUTTON}: use {promote}, which does."
    last = next((event for event in reversed(own) if event["what"] in _SAYS), None)
    if last is None:
        return f"**Not decided yet**: the gate has not compared it. {instead}"
    when, who, why = _when(last), plain(last["by"]), _why(last)
    if last["what"] == "promotion":
        return f"**Promoted** by {who} on {when}: it is {code(last['version'])}."
    if last["what"] == "rejection":
        return f"**Rejected** by {who} on {when}{why}. {instead}"
    if last["what"] == "approval":
        return f"**Approved** by {who} on {when}{why}: {promote} makes it the champion. {instead}"
    if last.get("verdict") == "passed":
        approve = f"`variants approve {number} --by NAME --comment WHY`"
        return f"**Passed the gate** on {when}, waits for approval: {approve}. {instead}"
    reasons = f": {plain(last['reasons'])}" if last.get("reasons") else ""
    return f"**Refused by the gate** on {when}{reasons}. It may not serve. {instead}"


def _of_production(uri: str, trail: list[dict[str, str]]) -> str:
    number = uri.rpartition("/")[2]
    moves = [event for event in trail if event["what"] in MOVES]
    own = [place for place, event in enumerate(moves) if event["version"] == uri]
    if not own:
        instead = f"{BUTTON}: use `variants promote`, which does."
        return f"**Only copied**: it was never the champion. {instead}"
    came, went = moves[own[-1]], next(iter(moves[own[-1] + 1 :]), None)
    back = "`variants rollback --reason WHY`"
    if went is None and came["what"] == "moved":
        return (
            f"**Serves outside of the record**: somebody moved the alias (noticed {_when(came)}), "
            f"and nobody promoted it. {back} brings the champion on record back."
        )
    if went is None:
        how = f"rolled back to by {plain(came['by'])}{_why(came)}"
        if came["what"] == "promotion":
            how = f"promoted by {plain(came['by'])} from {code(came.get('candidate'))}"
        return f"**Serves** since {_when(came)}, {how}. {back} goes back to the champion before."
    again = f"`variants rollback --to {number} --reason WHY` lets it serve again."
    if came["what"] == "moved":
        again = "It served outside of the record."
    if went["what"] == "moved":
        return f"**Replaced** by {code(went['version'])} outside of the record. {again}"
    if went["what"] == "rollback":
        by = f"by {plain(went['by'])}{_why(went)}"
        return f"**Was rolled back** on {_when(went)} {by}; {code(went['version'])} serves. {again}"
    return f"**Replaced** by {code(went['version'])} on {_when(went)}. {again}"


_SAYS = ("decision", "approval", "rejection", "promotion")


def _when(event: dict[str, str]) -> str:
    return f"{event['at'][:16].replace('T', ' ')} UTC"


def _why(event: dict[str, str]) -> str:
    return f" ({plain(event['comment'])})" if event.get("comment") else ""
