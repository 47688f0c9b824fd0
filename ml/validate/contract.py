"""Runs the Great Expectations suites below data/gx and describes what failed."""

import logging
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd

EXAMPLES = 10  # offending rows named for each broken rule
PRODUCTS = ("product_id", "left", "right")  # columns that name a product


def check_contract(
    tables: dict[str, pd.DataFrame],
    naming: dict[str, list[str]],
    limits: dict[str, Any],
    context: Path,
) -> list[dict[str, Any]]:
    """Checks each table against the suite of its name.

    Args:
        tables: suite name → table; suites without a table do not run.
        naming: suite name → the columns that identify an offending row in messages.
        limits: values of the suites' `$PARAMETER`s.
        context: folder of the GX file context; its files are only read.

    Returns:
        One entry per rule: table, rule and hint (texts), severity ("critical" or "warning"),
        success, failing (number of rows, or None for rules about the whole table), rows (number),
        observed (text or None), examples (the first offending rows as texts), products (the product
        ids of each example) and offending (all rows as texts).
    """
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx  # takes seconds, and only this stage needs it
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
                batch_parameters={"dataframe": table},
                expectation_parameters=limits,
                result_format={
                    "result_format": "COMPLETE",
                    "unexpected_index_column_names": naming[name],
                },
            )
            rules += [_describe(name, len(table), entry, naming[name]) for entry in result.results]
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
    found = [
        {column: str(row[column]) for column in naming if not pd.isna(row.get(column))}
        for row in result.get("unexpected_index_list") or []
    ]
    offending = [" ".join(row.values()) for row in found]
    return {
        "table": table,
        "rule": config.description or config.type,
        "hint": (config.meta or {}).get("hint", ""),
        "severity": str(getattr(config.severity, "value", config.severity)),
        "success": bool(entry.success),
        "failing": None if failing is None else int(failing),
        "rows": rows,
        "observed": None if observed is None else str(observed),
        "examples": offending[:EXAMPLES],
        "products": [[row[name] for name in PRODUCTS if name in row] for row in found[:EXAMPLES]],
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
