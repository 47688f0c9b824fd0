"""The data contract: runs the Great Expectations suites under data/gx and says in words what failed."""

import html
import logging
import os
import re
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

EXAMPLES = 10  # offending rows named for each broken rule
WHEN = datetime(
    2000, 1, 1, tzinfo=UTC
)  # results name the snapshot, not the hour, so that equal data give equal pages


def check_contract(
    tables: dict[str, pd.DataFrame],
    naming: dict[str, list[str]],
    limits: dict[str, Any],
    context: Path,
    docs: Path,
) -> list[dict[str, Any]]:
    """Checks each table against the suite of its name and builds Data Docs.

    Args:
        tables: suite name → table; suites without a table are not run.
        naming: suite name → the columns that name an offending row.
        limits: values for the suites' `$PARAMETER`s.
        context: folder of the GX file context (its files are read only).
        docs: where the Data Docs go (a folder, replaced).

    Returns:
        One entry a rule: table, rule and hint (words), severity ("critical" or "warning"), success,
            failing (rows, or None
        for rules about the whole table), rows, observed (text or None) and examples (offending rows
        as text).
    """
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx  # takes seconds, and only this stage needs it
    from great_expectations.core.run_identifier import RunIdentifier
    from great_expectations.data_context.types.base import ProgressBarsConfig

    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    rules: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(context, Path(folder) / "gx")
        gx_context = gx.get_context(mode="file", project_root_dir=folder)
        gx_context.variables.progress_bars = ProgressBarsConfig(globally=False)
        for name, table in tables.items():
            definition = gx_context.validation_definitions.get(name)
            result = definition.run(
                batch_parameters={"dataframe": _escaped(table)},
                expectation_parameters=limits,
                result_format={
                    "result_format": "COMPLETE",
                    "unexpected_index_column_names": naming[name],
                },
                run_id=RunIdentifier(run_name="snapshot", run_time=WHEN),
            )
            rules += [_describe(name, len(table), entry, naming[name]) for entry in result.results]
        gx_context.build_data_docs()
        shutil.rmtree(docs, ignore_errors=True)
        shutil.copytree(Path(folder) / "gx/uncommitted/data_docs/local_site", docs)
    for page in docs.rglob("*.html"):
        page.write_text(settle(page.read_text(encoding="utf-8")), encoding="utf-8")
    return rules


def broken(rules: list[dict[str, Any]], severity: str) -> list[str]:
    """The failed rules of one severity, in words with the offending rows, one text a rule."""
    texts = []
    for rule in rules:
        if rule["success"] or rule["severity"] != severity:
            continue
        count = (
            f" ({rule['failing']} of {rule['rows']} rows)" if rule["failing"] is not None else ""
        )
        observed = f"; found: {rule['observed']}" if rule["observed"] else ""
        rows = f": {'; '.join(rule['examples'])}" if rule["examples"] else ""
        more = ", …" if (rule["failing"] or 0) > len(rule["examples"]) else ""
        texts.append(
            f"{rule['table']}: not so: {rule['rule']}{count}{observed}{rows}{more}\n    → {rule['hint']}"
        )
    return texts


def settle(page: str) -> str:
    """Takes out of a Data Docs page what differs from run to run, and the logo that reports each view to its maker."""
    page = re.sub(r"<img[^>]*great-expectations-web-assets[^>]*>", "", page)
    page = re.sub(r"20\d{6}T\d{6}\.\d{6}Z", WHEN.strftime("%Y%m%dT%H%M%S.%fZ"), page)
    seen: dict[str, str] = {}
    identity = re.compile(r"(?<=collapse-body-)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
    return identity.sub(lambda match: seen.setdefault(match.group(), str(len(seen))), page)


def _escaped(table: pd.DataFrame) -> pd.DataFrame:
    """The table as Data Docs must see it: they write values into their pages as they are, markup and all."""
    return table.map(lambda value: html.escape(value) if isinstance(value, str) else value)


def _describe(table: str, rows: int, entry: Any, naming: list[str]) -> dict[str, Any]:
    config, result = entry.expectation_config, entry.result or {}
    failing = result.get("unexpected_count")
    error = entry.exception_info
    raised = next(
        (e["exception_message"] for e in _nested(error) if e.get("raised_exception")), None
    )
    observed = raised or (
        result.get("observed_value") if failing is None and not entry.success else None
    )
    examples = []
    for row in (result.get("unexpected_index_list") or [])[:EXAMPLES]:
        examples.append(
            html.unescape(
                " ".join(str(row[column]) for column in naming if not pd.isna(row.get(column)))
            )
        )
    return {
        "table": table,
        "rule": config.description or config.type,
        "hint": (config.meta or {}).get("hint", ""),
        "severity": str(getattr(config.severity, "value", config.severity)),
        "success": bool(entry.success),
        "failing": None if failing is None else int(failing),
        "rows": rows,
        "observed": None if observed is None else html.unescape(str(observed)),
        "examples": examples,
    }


def _nested(error: Any) -> list[dict[str, Any]]:
    """GX gives exception_info flat or keyed by metric; either way the entries."""
    if not isinstance(error, dict):
        return []
    return (
        [error]
        if "raised_exception" in error
        else [entry for entry in error.values() if isinstance(entry, dict)]
    )
