"""A git that signs, asks, runs hooks and hides files, called in a hook of another repository."""

from pathlib import Path

from flows.local.git import git

HOSTILE = """
[user]
    name = Ada Hostile
    email = ada@example.org
[commit]
    gpgSign = true
    template = /nowhere
[tag]
    gpgSign = true
    forceSignAnnotated = true
    sort = -version:refname
[gpg]
    program = /bin/false
[log]
    showSignature = true
    decorate = full
[format]
    pretty = fuller
[core]
    editor = /bin/false
    pager = /bin/false
    hooksPath = {folder}/hooks
    excludesFile = {folder}/ignored
    attributesFile = {folder}/attributes
    autocrlf = true
    fsmonitor = /bin/false
[status]
    showUntrackedFiles = no
    branch = true
    short = true
[color]
    ui = always
[submodule]
    recurse = true
[init]
    templateDir = {folder}/template
    defaultBranch = trunk
[push]
    followTags = true
"""
HOOKS = ("pre-commit", "commit-msg", "post-commit", "post-checkout", "reference-transaction")


def make_hostile(folder: Path) -> dict[str, str]:
    """Variables of a process that a hook of another repository starts, with such a configuration.

    Args:
        folder: a new folder for the configuration and for the other repository.
    """
    other = folder / "other"
    git(folder.parent, "init", "--quiet", str(other))
    for name in HOOKS:
        for place in ("hooks", "template/hooks"):
            hook = folder / place / name
            hook.parent.mkdir(parents=True, exist_ok=True)
            hook.write_text(f"#!/bin/sh\ntouch {folder}/a-hook-ran\nexit 1\n")
            hook.chmod(0o755)
    (folder / "ignored").write_text("*.json\n*.yaml\n*.dvc\n*.lock\n")
    (folder / "attributes").write_text("* text=auto\n")
    (folder / "gitconfig").write_text(HOSTILE.format(folder=folder))
    return {
        "GIT_CONFIG_GLOBAL": str(folder / "gitconfig"),
        "GIT_DIR": str(other / ".git"),
        "GIT_WORK_TREE": str(other),
        "GIT_INDEX_FILE": str(other / ".git/index"),
        "GIT_OBJECT_DIRECTORY": str(other / ".git/objects"),
        "GIT_PREFIX": "sub/",
        "GIT_EDITOR": "/bin/false",
        "GIT_AUTHOR_DATE": "@0 +0000",
        "GIT_TRACE": str(folder / "trace"),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "commit.gpgSign",
        "GIT_CONFIG_VALUE_0": "true",
    }
