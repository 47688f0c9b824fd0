"""What the release page shows of a candidate: the decision in words, pictures, approval, links."""

from typing import Any

from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient

from flows.gate.standing import approval_of, approval_with
from flows.local.project import Project
from flows.local.servers import running_mlflow
from flows.registry.audit_trail import IMPACT, WORDS, decision_on_record
from flows.registry.links import run_link, version_link
from flows.registry.policy_on_record import policy_on_record
from flows.registry.run_files import DecidedFiles
from flows.registry.versions import policy_of, run_of, uri_of
from flows.status import stands
from ml.core.errors import UserError
from ml.promote.decision import Check, Decision
from ml.promote.impact_page import CARDED
from ml.promote.impact_page import CARDS as IMPACT_CARDS
from ml.promote.mistake_changes import FILE as MISTAKES
from ml.promote.words import in_words, number

PAGES = {  # last part of the address → file of the run, and its words
    "report": ("report.html", "the report: metrics, groups, mistakes"),
    "impact": ("gate/impact.html", "all that would change"),
    "snapshot": ("snapshot_diff/diff.html", "what changed since the snapshot before"),
}


def shown_candidate(
    project: Project,
    client: MlflowClient,
    candidate: ModelVersion,
    champion: ModelVersion | None,
    by: str,
    known_as: dict[str, str],
) -> dict[str, Any]:
    """Returns what the template release_candidate.html.j2 asks for.

    Args:
        by, known_as: who looks, and may approve; see `flows.gate.standing.approval_with`.
    """
    decided, problem = decision_on_record(client, candidate), ""
    try:
        policy = policy_on_record(project, candidate, decided).policy
    except UserError as error:  # so nobody can approve it; but the page shows what there is
        policy, problem = policy_of(project), str(error)
    files = files_of(client, candidate, decided)
    decision = _decision(files)
    standing = approval_of(client, policy, candidate)
    known = decided or {}
    return {
        "number": str(candidate.version),
        "problem": problem,
        "uri": uri_of(candidate),
        "author": candidate.tags.get("author", ""),
        "made": candidate.creation_timestamp,
        "champion": known.get("champion", "none"),
        "decided": known.get("at", ""),
        "verdict": known.get("verdict", ""),
        "words": known.get(WORDS) or (in_words(decision) if decision else known.get(IMPACT, "")),
        "checks": [_check(one) for one in decision.checks] if decision else [],
        "stands": stands(client, policy, candidate, champion),
        "approval": standing,
        "approval_with": approval_with(client, policy, candidate, by, known_as).words,
        "approvers": policy.approval.approvers,
        "author_alone": policy.approval.author_alone,
        "impact": _impact(files),
        "mistakes": files.json(f"gate/{MISTAKES}") if files else None,
        "changes": files.json("snapshot_diff/diff.json") if files else None,
        "pages": {
            name: words for name, (file, words) in PAGES.items() if files and file in files.names
        },
        "links": _links(project, candidate, files),
    }


def files_of(
    client: MlflowClient, candidate: ModelVersion, decided: dict[str, str] | None
) -> DecidedFiles | None:
    """Returns the files of a candidate's run; None if it has no run, or no decision yet."""
    run = run_of(client, candidate)
    return DecidedFiles(client, run, decided["at"]) if run and decided else None


def _decision(files: DecidedFiles | None) -> Decision | None:
    try:
        return Decision.from_json((files.json("gate/decision.json") if files else None) or {})
    except (KeyError, TypeError, ValueError):
        return None


def _check(check: Check) -> dict[str, Any]:
    found = {"name": check.name, "passed": check.passed, "words": check.words}
    measured = {"value": check.value, "threshold": check.threshold}
    return found | {
        name: "" if value is None else number(value) for name, value in measured.items()
    }


def _impact(files: DecidedFiles | None) -> dict[str, Any] | None:
    """Returns impact.json with cards instead of ids in its largest changes, if there are cards."""
    impact = files.json("gate/impact.json") if files else None
    if impact is None or files is None:
        return None
    cards = files.json(f"gate/{IMPACT_CARDS}") or {}

    def shown(groups: list[list[str]]) -> list[list[dict[str, Any]]]:
        kept = ([cards[one] for one in group if one in cards] for group in groups)
        return [group for group in kept if group]

    largest = impact["changes"][: CARDED if cards else 0]
    return impact | {
        "largest": [
            {"moved": one["moved"], "before": shown(one["before"]), "after": shown(one["after"])}
            for one in largest
        ]
    }


def _links(project: Project, candidate: ModelVersion, files: DecidedFiles | None) -> dict[str, str]:
    """Returns words → address of MLflow's pages; none if no server shows them."""
    address = running_mlflow(project)
    if address is None:
        return {}
    links = {"the version in MLflow": version_link(candidate.name, str(candidate.version))}
    if files:
        links |= {"the run in MLflow": run_link(files.experiment, files.run)}
    return {words: f"{address}/{link}" for words, link in links.items()}
