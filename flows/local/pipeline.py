"""The stage graph, read from dvc.yaml: the one definition of the pipeline."""

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from flows.local.process import CommandError, stream
from ml.core.errors import UserError

CACHED = re.compile(r"^Stage '.*' (is cached|didn't change)")
HINTS = re.compile(  # DVC's advice to someone who runs it by hand; the flow commits by itself
    r"^\s*(To track the changes|git add|To enable auto staging|dvc config core.autostage|Use `dvc push`|"
    r"(Generating|Updating) lock file)"
)
RETRIES, TIMEOUT_MINUTES = 0, 60  # where a stage's `meta` says nothing


@dataclass(frozen=True)
class Stage:
    """One stage of dvc.yaml.

    Attributes:
        deps, outs: paths below the project's root; params: sections of params.yaml.
        upstream: the stages whose outs it reads.
        retries: how often a crash (not a refusal) is tried again; timeout: seconds.
    """

    name: str
    desc: str
    cmd: str
    deps: tuple[str, ...]
    params: tuple[str, ...]
    outs: tuple[str, ...]
    upstream: tuple[str, ...]
    retries: int
    timeout: float


def load_stages(root: Path) -> list[Stage]:
    """The stages in an order in which each comes after those it reads from.

    Raises:
        UserError: dvc.yaml is not readable, or its stages wait for each other in a circle.
    """
    try:
        content = yaml.safe_load((root / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise UserError(f"{root / 'dvc.yaml'} cannot be read: {error}") from error
    outs = {name: _outs(entry) for name, entry in content.items()}
    stages: list[Stage] = []
    waiting = dict(content)
    while waiting:
        ready = [
            name
            for name, entry in waiting.items()
            if not _upstream(entry, outs, name) & set(waiting)
        ]
        if not ready:
            raise UserError(f"dvc.yaml: the stages {', '.join(waiting)} wait for each other")
        for name in ready:
            stages.append(_stage(name, waiting.pop(name), outs))
    return stages


def used_params(root: Path, stages: list[Stage]) -> dict[str, Any]:
    """The sections of a checkout's params.yaml that its stages read; None for one that is not there."""
    params = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))
    return {
        section: params.get(section)
        for section in sorted({name for stage in stages for name in stage.params})
    }


def run_stage(root: Path, stage: Stage, log: Callable[[str], None]) -> bool:
    """Runs one stage with DVC in a checkout, or takes its outputs from the cache.

    Args:
        log: called with each line that the stage prints, as it is printed.

    Returns:
        Whether the cache had it.

    Raises:
        UserError: the stage refused its input, in the stage's own words. CommandError: it crashed.
    """
    lines: list[str] = []

    def keep(line: str) -> None:
        lines.append(line)
        if not HINTS.match(line):
            log(line)

    dvc(root, ["repro", "--single-item", stage.name], keep)
    return any(CACHED.match(line) for line in lines)


def dvc(root: Path, arguments: list[str], log: Callable[[str], None]) -> None:
    """Runs DVC in a checkout; raises as `run_module`."""
    run_module(root, "dvc", arguments, log)


def run_module(root: Path, module: str, arguments: list[str], log: Callable[[str], None]) -> None:
    """Runs a Python module in a checkout, with that checkout's code, line by line.

    Raises:
        UserError: a stage refused its input (`error: …`). CommandError: it failed otherwise.
    """
    try:
        stream([sys.executable, "-m", module, *arguments], root, log)
    except CommandError as error:
        refusal = refusal_in(error.tail)
        if refusal:
            raise UserError(refusal) from error
        raise


def refusal_in(lines: list[str]) -> str | None:
    """The message of a UserError among the lines of a failed stage, all its lines; None if it crashed otherwise."""
    starts = [place for place, line in enumerate(lines) if line.startswith("error: ")]
    if not starts:
        return None
    message = [lines[starts[-1]].removeprefix("error: ")]
    for line in lines[starts[-1] + 1 :]:
        if line.startswith("ERROR:"):  # DVC's own words begin
            break
        message.append(line)
    return "\n".join(message).rstrip()


def _stage(name: str, entry: dict[str, Any], outs: dict[str, list[str]]) -> Stage:
    meta = entry.get("meta") or {}
    return Stage(
        name=name,
        desc=entry.get("desc", name),
        cmd=entry["cmd"],
        deps=tuple(entry.get("deps", [])),
        params=tuple(entry.get("params", [])),
        outs=tuple(outs[name]),
        upstream=tuple(sorted(_upstream(entry, outs, name))),
        retries=int(meta.get("retries", RETRIES)),
        timeout=60.0 * float(meta.get("timeout_minutes", TIMEOUT_MINUTES)),
    )


def _outs(entry: dict[str, Any]) -> list[str]:
    listed = [one for kind in ("outs", "metrics", "plots") for one in entry.get(kind, [])]
    return [next(iter(one)) if isinstance(one, dict) else one for one in listed]


def _upstream(entry: dict[str, Any], outs: dict[str, list[str]], own: str) -> set[str]:
    deps = [PurePosixPath(dep) for dep in entry.get("deps", [])]
    return {
        name
        for name, made in outs.items()
        if name != own
        and any(
            dep.is_relative_to(out) or PurePosixPath(out).is_relative_to(dep)
            for dep in deps
            for out in made
        )
    }
