"""Runs the Great Expectations suites below data/gx and describes what failed."""

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
# Results bear this date instead of the time of the run, so that equal data give equal pages.
WHEN = datetime(2000, 1, 1, tzinfo=UTC)


def check_contract(
    tables: dict[str, pd.DataFrame],
    naming: dict[str, list[str]],
    limits: dict[str, Any],
    context: Path,
    docs: Path,
) -> list[dict[str, Any]]:
    """Checks each table against the suite of its name and builds Data Docs.

    Args:
        tables: suite name → table; suites without a table do not run.
        naming: suite name → the columns that identify an offending row in messages.
        limits: values of the suites' `$PARAMETER`s.
        context: folder of the GX file context; its files are only read.
        docs: folder for the Data Docs, which is replaced.

    Returns:
        One entry per rule: table, rule and hint (texts), severity ("critical" or "warning"),
        success, failing (number of rows, or None for rules about the whole table), rows (number),
        observed (text or None), examples (the first offending rows as texts) and offending (all).
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
    """Describes the failed rules of one severity, with offending rows, in one text per rule."""
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
            f"{rule['table']}: not so: {rule['rule']}{count}{observed}{rows}{more}"
            f"\n    → {rule['hint']}"
        )
    return texts


def settle(page: str) -> str:
    """Makes a Data Docs page the same in each run.

    It replaces dates and random ids, and removes a logo that reports each view to its maker.
    """
    page = re.sub(r"<img[^>]*great-expectations-web-assets[^>]*>", "", page)
    page = re.sub(r"20\d{6}T\d{6}\.\d{6}Z", WHEN.strftime("%Y%m%dT%H%M%S.%fZ"), page)
    seen: dict[str, str] = {}
    identity = re.compile(r"(?<=collapse-body-)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
    return identity.sub(lambda match: seen.setdefault(match.group(), str(len(seen))), page)


def _escaped(table: pd.DataFrame) -> pd.DataFrame:
    """Escapes all texts of a table, since Data Docs write values into their pages unescaped."""
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
    offending = []
    for row in result.get("unexpected_index_list") or []:
        offending.append(
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
        "examples": offending[:EXAMPLES],
        "offending": offending,
    }


def _nested(error: Any) -> list[dict[str, Any]]:
    """Returns the entries of GX's exception_info, which is flat or keyed by metric."""
    if not isinstance(error, dict):
        return []
    return (
        [error]
        if "raised_exception" in error
        else [entry for entry in error.values() if isinstance(entry, dict)]
    )
