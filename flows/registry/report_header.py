"""The header of report.html: which model it is about, and what the gate said of it.

A stage cannot know this, since its outputs depend on nothing but its inputs.
"""

from datetime import UTC, datetime
from pathlib import Path

import jinja2
from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient

from flows.registry.versions import uri_of
from ml.core.paths import EVALUATED
from ml.evaluate.report import HEADER_PLACE
from ml.promote.decision import Decision
from ml.promote.words import sentences, with_interval

HEADER = Path("mlflow/report_header.html.j2")
REPORT = EVALUATED / "report.html"


def log_report(
    client: MlflowClient, run_id: str, root: Path, version: ModelVersion, decision: Decision
) -> None:
    """Logs the report of a version to its run again, now with its header.

    Args:
        root: the checkout that made the version, with the results of its stages.
        version: the candidate.
        decision: the gate's, about this candidate.
    """
    report = (root / REPORT).read_text(encoding="utf-8")
    page = report.replace(HEADER_PLACE, header(root, version, decision), 1)
    client.log_text(run_id, page, REPORT.name)


def header(root: Path, version: ModelVersion, decision: Decision) -> str:
    """Renders the header as HTML; every text is escaped.

    Args:
        root: the checkout that made the version.
        version, decision: as for `log_report`.

    Raises:
        jinja2.UndefinedError: the template uses a name that it is not given.
    """
    environment = jinja2.Environment(
        trim_blocks=True, autoescape=True, undefined=jinja2.StrictUndefined
    )
    made = datetime.fromtimestamp(version.creation_timestamp / 1000, UTC)
    about = {
        "model": uri_of(version),
        "registered": f"{made:%Y-%m-%d %H:%M} UTC",
        "MLflow run": version.run_id,
        "commit": version.tags.get("commit"),
        "snapshot": version.tags.get("snapshot"),
        "author": version.tags.get("author"),
    }
    return environment.from_string((root / HEADER).read_text(encoding="utf-8")).render(
        decision=decision,
        reasons=sentences(decision),
        with_interval=with_interval,
        about={name: words for name, words in about.items() if words},
    )
