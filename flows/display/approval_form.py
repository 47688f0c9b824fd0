"""What stands above the form on Prefect's page: what people approve or reject."""

from typing import Any

from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient

from flows.gate.standing import Standing
from flows.local.markdown import code, plain
from flows.local.project import Project
from flows.local.servers import mlflow_page
from flows.registry.links import run_link, run_page
from flows.registry.run_files import kept
from flows.registry.versions import run_of, uri_of
from ml.promote.decision import Decision
from ml.promote.words import gains, impact_words, sentences, share_words, with_interval


def approval_text(
    project: Project, client: MlflowClient, candidate: ModelVersion, standing: Standing
) -> str:
    """Returns the text above the form, with what the candidate's run tells, in Markdown."""
    run = run_of(client, candidate)
    if run is None:
        return form_text(candidate, standing, None, None, {})
    decided, changes = (
        kept(client, run, file) for file in ("gate/decision.json", "snapshot_diff/diff.json")
    )
    experiment = client.get_run(run).info.experiment_id
    report = f"{mlflow_page(project)}/{run_link(experiment, run, 'report.html')}"
    links = {"the run in MLflow": run_page(project, client, run), "its report": report}
    if decided and decided.get("impact"):
        page = run_link(experiment, run, "gate/impact.html")
        links["what it would change"] = f"{mlflow_page(project)}/{page}"
    try:
        decision = Decision.from_json(decided) if decided else None
    except (KeyError, TypeError, ValueError):
        decision = None
    return form_text(candidate, standing, decision, changes, links)


def form_text(
    candidate: ModelVersion,
    standing: Standing,
    decision: Decision | None,
    changes: dict[str, Any] | None,
    links: dict[str, str],
) -> str:
    """Returns the text above the form, in Markdown.

    Args:
        decision: the gate's decision; None if it cannot be read.
        changes: content of snapshot_diff/diff.json; None for a first snapshot.
        links: words → address.
    """
    champion = candidate.tags.get("gate_champion", "none")
    against = (
        "without a champion" if champion == "none" else f"against the champion {code(champion)}"
    )
    verdict = "passed the gate" if decision is None or decision.passed else "**failed the gate**"
    words = standing.words[0].upper() + standing.words[1:]
    parts = [f"{code(uri_of(candidate))} {verdict}, {against}. {plain(words)}."]
    if decision:
        parts += [_gain(decision), _checks(decision), _impact(decision)]
    else:
        parts.append("Its decision cannot be read any more: the run or a file of it is gone.")
    parts.append(_changes(changes) if changes else "")
    parts.append(" · ".join(f"[{plain(words)}]({address})" for words, address in links.items()))
    return "\n\n".join(filter(None, parts))


def _gain(decision: Decision) -> str:
    own = ", ".join(
        f"{plain(one.metric)} is {with_interval(one.challenger)}" for one in decision.metrics
    )
    if not decision.compared:
        return f"**No champion to compare with; {own}.**" if own else ""
    return f"**Gain in {plain(gains(decision))}**; {own}, with its interval."


def _checks(decision: Decision) -> str:
    passed = [plain(one.name) for one in decision.checks if one.passed]
    failed = [f"- **failed**: {plain(sentence)}" for sentence in sentences(decision)]
    return "\n".join([*failed, f"- {len(passed)} checks passed: {', '.join(passed) or 'none'}"])


def _impact(decision: Decision) -> str:
    impact, limit = decision.impact, decision.policy.get("impact", {}).get("largest_share", 1)
    if impact is None:
        return ""
    above = f" **More than the policy's {share_words(limit)}.**" if impact.share > limit else ""
    return f"{plain(impact_words(impact))}.{above}"


def _changes(changes: dict[str, Any]) -> str:
    lines = ["Since the snapshot before:", ""]
    for table in ("products", "pairs"):
        counts = changes[table]["counts"].items()
        lines.append(f"- {table}: {', '.join(f'{int(rows):,} {kind}' for kind, rows in counts)}")
    return "\n".join(lines)
