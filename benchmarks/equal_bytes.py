"""Proves that a change of the code changes no output of any stage, byte for byte.

    python -m benchmarks.equal_bytes BEFORE AFTER     two commits; the table goes to standard output

Both commits are checked out beside each other; each generates the same shop with its own code and
runs its own stages. Exit code 1 where an output differs or is missing. JSON is compared once more
as its numbers and words alone, whatever they are named and however they are nested, so that a new
layout can be told from new figures.
"""

import hashlib
import json
import os
import shlex
import subprocess
import sys
from collections import Counter
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
import yaml

from ml.core.command import run_app
from ml.core.errors import UserError

ROOT = Path(__file__).parents[1]
PARAMS = {  # for stages of seconds; params that a commit does not have are left out
    "prepare": {"side": 64},
    "train": {"epochs": 2, "batch": 32, "threads": 1},
    "evaluate": {"resamples": 200},
}
PRODUCTS = 120

app = typer.Typer(add_completion=False)


@app.command(help=__doc__)
def main(
    before: Annotated[str, typer.Argument(help="The commit before the change.")],
    after: Annotated[str, typer.Argument(help="The commit after it.")] = "HEAD",
) -> None:
    """Runs both commits' stages and prints a line for each folder, and one for each difference."""
    with TemporaryDirectory() as folder:
        first, second = (
            outputs(commit, Path(folder, name))
            for commit, name in ((before, "before"), (after, "after"))
        )
        words = {
            name: compare(first.get(name), second.get(name)) for name in sorted(first | second)
        }
        for place, names in groupby(words, key=lambda name: "/".join(name.split("/")[:2])):
            listed = list(names)
            equal = [name for name in listed if words[name] == "equal"]
            content = hashlib.sha256(b"".join(name.encode() + second[name] for name in equal))
            digest = content.hexdigest()[:12]
            print(f"{len(equal):4} of {len(listed):4} outputs equal  {digest}  {place}")
            for name in listed:
                if words[name] != "equal":
                    print(f"     {words[name]}: {name}")
    different = sum(word != "equal" for word in words.values())
    print(f"{len(words)} outputs, {different} different")
    if different:
        raise typer.Exit(1)


def outputs(commit: str, folder: Path) -> dict[str, bytes]:
    """What a commit's stages leave: path below the checkout → content.

    Raises:
        UserError: there is no such commit, or a stage failed; with the end of what it printed.
    """
    _run(["git", "clone", "--quiet", "--no-checkout", str(ROOT), str(folder)], ROOT)
    _run(["git", "checkout", "--quiet", commit], folder)
    params = yaml.safe_load((folder / "params.yaml").read_text(encoding="utf-8"))
    for section, values in PARAMS.items():
        params[section] |= {
            name: value for name, value in values.items() if name in params[section]
        }
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
    generate = (
        "from pathlib import Path; from ml.synthetic import generate_shop; "
        f"generate_shop(Path('shop'), {PRODUCTS}, 0)"
    )
    _run([sys.executable, "-c", generate], folder)
    _run([sys.executable, "-m", "ml.snapshot", "shop"], folder)
    stages = yaml.safe_load((folder / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    for stage in stages.values():
        _run([sys.executable, *shlex.split(stage["cmd"])[1:]], folder)
    files = [
        file
        for top in ("shop", "data/snapshot", "artifacts")
        for file in (folder / top).rglob("*")
        if file.is_file()
    ]
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def compare(first: bytes | None, second: bytes | None) -> str:
    """ "equal", or how two outputs differ."""
    if first is None or second is None:
        return "missing before" if first is None else "missing after"
    if first == second:
        return "equal"
    try:
        same = leaves(json.loads(first)) == leaves(json.loads(second))
    except ValueError:
        return "DIFFERENT"
    return "equal values, other layout" if same else "DIFFERENT VALUES"


def leaves(content: Any) -> Counter[str]:
    """Counts the numbers and words of a JSON document, without names and nesting."""
    if isinstance(content, dict):
        content = list(content.values())
    if isinstance(content, list):
        return sum((leaves(one) for one in content), Counter())
    return Counter([json.dumps(content)])


def _run(command: list[str], folder: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    result = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if result.returncode:
        end = "\n".join((result.stdout + result.stderr).splitlines()[-8:])
        raise UserError(f"`{' '.join(command[-4:])}` failed in {folder.name}:\n{end}")


if __name__ == "__main__":
    run_app(app)
