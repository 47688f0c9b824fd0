"""What the flows show on Prefect's page: log lines, progress bars, artifacts."""

import logging
import re
from collections.abc import Callable
from typing import Any

from prefect import get_run_logger
from prefect.artifacts import create_progress_artifact, update_progress_artifact

from flows.local.markdown import plain
from ml.evaluate.metric_words import METRICS, Interval
from ml.promote.decision import Decision
from ml.promote.words import gains, impact_words, number, sentences, with_interval

WARNING = "warning: "
PROGRESS = re.compile(r"^[\w ]+: +(\d+)% \(")


def stage_log(stage: str) -> Callable[[str], None]:
    """Returns a function that logs the lines of a stage to the current Prefect run.

    A line such as "warning: …" is logged as a warning. A line of `ml.core.progress`, such as
    "train: 42% (…", also moves a progress bar on Prefect's page.

    Args:
        stage: name of the stage, for the key of the bar.
    """
    logger = get_run_logger()
    bar: Any = None
    warns = False  # whether the last line began a warning, whose further lines are indented

    def log(line: str) -> None:
        nonlocal bar, warns
        if not line.strip():
            return
        warns = line.startswith(WARNING) or (warns and line[0].isspace())
        logger.log(logging.WARNING if warns else logging.INFO, line.removeprefix(WARNING))
        percentage = PROGRESS.match(line)
        if not percentage:
            return
        value = float(percentage.group(1))
        try:
            if bar is None:
                bar = create_progress_artifact(
                    value, key=f"progress-{stage}", description=f"stage {stage}"
                )
            else:
                update_progress_artifact(bar, value)
        except Exception as error:  # a training must not fail because of a bar
            logger.debug("the progress bar of stage %s cannot be moved: %s", stage, error)

    return log


def metric_table(metrics: dict[str, Any]) -> list[dict[str, str]]:
    """Returns the rows of a table artifact: the metrics of the test split beside the baselines.

    Args:
        metrics: the content of metrics.json.

    Returns:
        A row for each metric: {"metric", "model", and the name of each baseline}. If the model is
        not evaluable, one row whose "model" is the reason.
    """
    if not metrics["evaluable"]:
        return [{"metric": "none", "model": plain(metrics["reason"])}]
    rows = []
    for name in METRICS:
        row = {"metric": name, "model": with_interval(metrics["model"]["test"][name])}
        row |= {
            baseline: with_interval(entry["test"][name])
            for baseline, entry in metrics["baselines"].items()
        }
        rows.append(row)
    return rows


def decision_page(decision: Decision) -> str:
    """Renders a decision of the gate as Markdown; what failed comes first, in sentences."""
    verdict = decision.verdict
    if decision.mode == "dry-run":
        verdict += " (dry run: refuses nothing)"
    failed = [f"- {plain(sentence)}." for sentence in sentences(decision)]
    lines = [
        f"# Gate: {verdict}",
        "",
        *([*failed, ""] if failed else []),
        f"Challenger `{decision.challenger_model}`, {_against(decision)}.",
        "",
        *([f"The test split holds {plain(decision.proves)}.", ""] if decision.proves else []),
        *([f"**{plain(decision.favoured)}.**", ""] if decision.favoured else []),
        *([f"{plain(impact_words(decision.impact))}.", ""] if decision.impact else []),
        "| check | verdict | value | threshold | condition |",
        "|---|---|---|---|---|",
    ]
    for check in sorted(decision.checks, key=lambda check: check.passed):
        passed = "pass" if check.passed else "**fail**"
        value, threshold = (
            "" if one is None else number(one) for one in (check.value, check.threshold)
        )
        lines.append(
            f"| {plain(check.name)} | {passed} | {value} | {threshold} | {plain(check.words)} |"
        )
    if decision.compared:
        lines += [*_reuse_lines(decision), *_segment_lines(decision)]
    return "\n".join(lines) + "\n"


def _against(decision: Decision) -> str:
    if not decision.champion_model:
        return "without a champion to compare with: floor and baselines decide"
    against = f"against the champion `{decision.champion_model}`"
    if not decision.compared:
        return against
    return f"{against}: a difference in {gains(decision)} (paired bootstrap of designs)"


def _reuse_lines(decision: Decision) -> list[str]:
    reuse = decision.reuse
    assert reuse is not None  # there is a comparison
    smallest = "; ".join(f"{one.metric} {number(one.smallest)}" for one in decision.compared)
    return [
        "",
        "## Metrics on the same test pairs",
        "",
        "| metric | challenger | champion | difference | lower bound | at level |",
        "|---|---|---|---|---|---|",
        *(
            f"| {one.metric} | {_cells(one.challenger, one.champion, one.difference)} "
            f"| {number(one.bound)} | {one.level or 0:.2g} |"
            for one in decision.compared
        ),
        "",
        "## What these test pairs can still prove",
        "",
        f"This was comparison {reuse.comparison} on these test pairs. It used a significance of "
        f"{reuse.significance:.2g} of the policy's {decision.policy['significance']:g}; "
        f"{reuse.left:.2g} is left for all later comparisons together. With a probability of "
        f"{reuse.power:.0%} the next comparison passes, as far as a metric goes, a model "
        f"whose true difference to the champion in it is this or more: {smallest}. Fresh pairs "
        "restore the level: annotate products of test brands (docs/promotion.md, “Fresh test "
        "pairs”).",
    ]


def _cells(*metrics: Interval | None) -> str:
    return " | ".join(with_interval(one) if one else "" for one in metrics)


def _segment_lines(decision: Decision) -> list[str]:
    if not decision.segments:
        return []
    lines = [
        "",
        "## Segments",
        "",
        "| segment | pairs of variants | difference in block AP | guarded |",
        "|---|---|---|---|",
    ]
    for one in decision.segments:
        guarded = "yes" if one.guarded else "too few pairs"
        difference = with_interval(one.difference)
        lines.append(f"| {plain(one.name)} | {one.positives} | {difference} | {guarded} |")
    return lines
