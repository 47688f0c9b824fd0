"""What a clone needs of a DVC cache: everything that its git history and its checkouts point to."""

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import yaml

from flows.local.clones import register_clone, using_cache
from flows.local.dvc_config import cache_of, place_in_cache
from flows.local.git import git
from flows.local.project import Project
from flows.local.stored_snapshot import fetch
from ml.core.errors import UserError

MD5 = re.compile(r"\bmd5: ['\"]?([0-9a-f]{32}(?:\.dir)?)\b")
NOTHING = "0" * 40  # git's name of a file that is not there
POINTERS = (":(glob)**/*.dvc", ":(glob)**/dvc.lock")  # git's patterns of what points into the cache


def needs_of_git(root: Path) -> set[str]:
    """Returns the hashes in all pointers and dvc.lock files that a clone holds.

    These are of every commit that a branch, a tag, a stash, a worktree or git's log of these names,
    of the index, and of the files of each worktree, committed or not.

    Args:
        root: top folder of the clone.
    """
    commits = ["--all", "--reflog", "--full-history", "-m", "--format="]
    form = ["--raw", "--no-abbrev", "--no-renames"]
    # A plain listing of objects names each only once, so that a copy could hide a pointer.
    log = git(root, "-c", "log.showRoot=true", "log", *commits, *form, "--", *POINTERS)
    blobs = {line.split()[3] for line in log.splitlines() if line.startswith(":")}
    texts = []
    for line in git(root, "worktree", "list", "--porcelain").splitlines():
        place = Path(line.removeprefix("worktree "))
        if line.startswith("worktree ") and place.is_dir():
            staged = git(place, "ls-files", "--stage", "--", *POINTERS).splitlines()
            blobs |= {entry.split()[1] for entry in staged}
            names = git(place, "ls-files", "--cached", "--others", "--", *POINTERS).splitlines()
            files = [place / name for name in names]
            texts += [file.read_text("utf-8", "replace") for file in files if file.is_file()]
    texts += [git(root, "cat-file", "blob", blob) for blob in blobs - {NOTHING}]
    return {md5 for text in texts for md5 in hashes_in(text)}


def hashes_in(text: str) -> set[str]:
    """Returns the hashes that a pointer or dvc.lock names."""
    return set(MD5.findall(text))


def outputs_in(text: str) -> set[str]:
    """Returns the hashes of what the stages of a dvc.lock have made.

    What they have read may be code, which DVC hashes and does not keep.
    """
    stages = (yaml.safe_load(text) or {}).get("stages", {}).values()
    return {out["md5"] for stage in stages for out in stage.get("outs", []) if "md5" in out}


def note_needs(project: Project, root: Path, log: Callable[[str], None]) -> None:
    """Tells other clones what a run has made, as its dvc.lock names it.

    Args:
        root: top folder of the run's worktree.
        log: called with a line if the remote cannot be written.
    """
    with using_cache(project.root):
        register_clone(project, hashes_in((root / "dvc.lock").read_text(encoding="utf-8")), log)


def with_contents(root: Path, needs: Iterable[str]) -> tuple[set[str], set[str]]:
    """Adds the files of all folders to what is needed.

    Args:
        root: top folder of a checkout, whose cache and remote list what the folders hold.
        needs: hashes of files and folders.

    Returns:
        All hashes; and those folders of which neither cache nor remote knows what they hold.

    Raises:
        UserError: the remote cannot be asked.
    """
    found, unknown, cache = set(needs), set(), cache_of(root)
    for md5 in [one for one in found if one.endswith(".dir")]:
        file = place_in_cache(cache, md5)
        if not file.is_file():
            fetch(root, md5)
        try:
            found |= {one["md5"] for one in json.loads(file.read_bytes())}
        except FileNotFoundError:
            unknown.add(md5)
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"'{file}' in DVC's cache is damaged: `dvc fetch` it again") from error
    return found, unknown
