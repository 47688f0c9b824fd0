"""Registered models that people have deleted or renamed, although they were in use."""

from mlflow.tracking import MlflowClient

from flows.registry.audit_trail import events_on
from flows.registry.problem import Problem
from flows.registry.production import number_of
from ml.promote.policy import ModelNames


def lost_production(client: MlflowClient, names: ModelNames) -> Problem | None:
    """Finds out whether the production model is gone, although a version was promoted.

    The candidates' model keeps the promotions too (see `note_event`).
    """
    kept = events_on(client, names.candidates).values()
    moves = [event for event in kept if event["what"] == "promotion"]
    if not moves or events_on(client, names.production):
        return None
    last, now = moves[-1], renamed(client, names.production)
    if now:
        return _renamed(client, "production model", names.production, now)
    number = number_of(last.get("candidate", ""))
    return Problem(
        f"the production model '{names.production}' was deleted, and with it {last['version']}, "
        "the last version that was promoted",
        last["version"],
        f"`variants promote {number}` promotes its candidate again; if that is refused as stale, "
        "the same `variants retrain` lets the gate decide anew, and people approve it again",
    )


def lost_candidates(client: MlflowClient, names: ModelNames) -> Problem | None:
    """Finds out whether the candidates' model is gone, although a candidate was promoted."""
    kept = events_on(client, names.production).values()
    moves = [event for event in kept if event["what"] == "promotion"]
    if not moves or events_on(client, names.candidates):
        return None
    now = renamed(client, names.candidates)
    if now:
        return _renamed(client, "candidates' model", names.candidates, now)
    return Problem(
        f"the candidates' model '{names.candidates}' was deleted, and with it all decisions, "
        "approvals and comparisons; what serves is not touched",
        moves[-1].get("candidate", ""),
        "`variants retrain` makes a new one; its candidates count from 1 again, and the gate does "
        "not know any more how often the test pairs were used: annotate fresh ones",
    )


def renamed(client: MlflowClient, name: str) -> str | None:
    """Returns the name that a registered model has now, by the events that it keeps, or None."""
    for model in client.search_registered_models():
        about = {
            event["version"].rpartition("/")[0] for event in events_on(client, model.name).values()
        }
        if f"models:/{name}" in about and f"models:/{model.name}" not in about:
            return str(model.name)
    return None


def _renamed(client: MlflowClient, what: str, name: str, now: str) -> Problem:
    call = f"MlflowClient({client.tracking_uri!r}).rename_registered_model({now!r}, {name!r})"
    return Problem(
        f"the {what} '{name}' was renamed to '{now}'",
        f"models:/{name}",
        "give it its name back on MLflow's page, or with `python -c "
        f'"from mlflow import MlflowClient; {call}"`; or name the new one in mlflow/promotion.yaml',
    )
