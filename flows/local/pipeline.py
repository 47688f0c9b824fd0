"""The graph of stages, read from dvc.yaml, which is the only definition of the pipeline."""

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from flows.local.process import CommandError, stream
from ml.core.errors import UserError
from ml.core.params import read_params
from ml.core.reasons import reason

CACHED = re.compile(r"^Stage '.*' (is cached|didn't change)")
HINTS = re.compile(  # DVC's advice to a person who runs it by hand; the flow commits by itself
    r"^\s*(To track the changes|git add|To enable auto staging|dvc config core.autostage|"
    r"Use `dvc push`|(Generating|Updating) lock file)"
)
REFUSAL = "error: "  # how a refusal begins, see `ml.core.command`
RETRIES, TIMEOUT_MINUTES = 0, 60  # defaults for a stage whose `meta` has no such entry


@dataclass(frozen=True)
class Stage:
    """One stage of dvc.yaml.

    Attributes:
        name, desc, cmd: as in dvc.yaml; `desc` is the name if the stage has none.
        deps, outs: paths below the project's root; metrics and plots count as outs.
        params: sections of params.yaml.
        upstream: names of the stages whose outs this stage reads.
        retries: how often the flow repeats the stage after a crash; it never repeats a refusal.
        timeout: seconds.
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
    """Returns the stages, sorted so that each stage follows the stages whose outs it reads.

    Args:
        root: top folder of a checkout.

    Raises:
        UserError: dvc.yaml is not readable, or its stages wait for each other in a circle.
    """
    try:
        content = yaml.safe_load((root / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise UserError(f"{root / 'dvc.yaml'} cannot be read: {reason(error)}") from error
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
            raise UserError(
                f"{root / 'dvc.yaml'}: the stages {', '.join(waiting)} wait for each other: "
                "remove a dependency that closes the circle"
            )
        for name in ready:
            stages.append(_stage(name, waiting.pop(name), outs))
    return stages


def used_params(root: Path, stages: list[Stage]) -> dict[str, Any]:
    """Returns the sections of params.yaml that the stages read; a missing section is None."""
    params = read_params(root / "params.yaml")
    return {
        section: params.get(section)
        for section in sorted({name for stage in stages for name in stage.params})
    }


def run_stage(root: Path, stage: Stage, log: Callable[[str], None]) -> bool:
    """Runs one stage with DVC in a checkout, or takes its outputs from the cache.

    Args:
        root: top folder of the checkout.
        log: called with each line as soon as the stage prints it, without DVC's hints.

    Returns:
        Whether the outputs came from the cache.

    Raises:
        UserError: the stage refused its input; the message is the stage's own.
        CommandError: the stage crashed.
    """
    lines: list[str] = []

    def keep(line: str) -> None:
        lines.append(line)
        if not HINTS.match(line):
            log(line)

    dvc(root, ["repro", "--single-item", stage.name], keep)
    return any(CACHED.match(line) for line in lines)


def dvc(root: Path, arguments: list[str], log: Callable[[str], None]) -> None:
    """Runs DVC in a checkout; it raises the same errors as `run_module`."""
    run_module(root, "dvc", arguments, log)


def run_module(root: Path, module: str, arguments: list[str], log: Callable[[str], None]) -> None:
    """Runs a Python module in a checkout, with the code of that checkout.

    Args:
        root: top folder of the checkout.
        log: called with each line as soon as the module prints it. A refusal is raised and not
            logged, so that it is said once.

    Raises:
        UserError: the module printed a refusal (`error: …`), or the disk is full.
        CommandError: the module failed otherwise.
    """
    held: list[str] = []

    def log_or_hold(line: str) -> None:
        if held or line.startswith(REFUSAL):
            held.append(line)
        else:
            log(line)

    try:
        stream([sys.executable, "-m", module, *arguments], root, log_or_hold)
    except CommandError as error:
        refusal = refusal_in(error.tail)
        if refusal:
            raise UserError(refusal) from error
        raise
    for line in held:
        log(line)


def refusal_in(lines: list[str]) -> str | None:
    """Returns the whole message of the last UserError in a failed stage's output, or None."""
    starts = [place for place, line in enumerate(lines) if line.startswith(REFUSAL)]
    if not starts:
        return None
    message = [lines[starts[-1]].removeprefix(REFUSAL)]
    for line in lines[starts[-1] + 1 :]:
        if line.startswith("ERROR:"):  # here DVC's own message begins
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
