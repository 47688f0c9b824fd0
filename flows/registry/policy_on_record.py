"""The promotion policy that counts for a candidate: a committed one, on the branch it was made for.

What lies uncommitted in somebody's checkout, or on a branch of their own, waives nothing.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import yaml
from mlflow.entities.model_registry import ModelVersion

from flows.local.git import git, succeeds
from flows.local.project import Project
from flows.registry.versions import POLICY
from ml.core.errors import UserError
from ml.promote.policy import Policy, read_policy

COMMIT = re.compile("[0-9a-f]{40}")
BRANCH = "branch"  # the fact of a decision: the branch of the checkout that retrained


@dataclass(frozen=True)
class PolicyOnRecord:
    """A committed policy.

    Attributes:
        policy: its content.
        commit: the commit that holds it.
        where: the branch, or the commit, by whose name people know it.
    """

    policy: Policy
    commit: str
    where: str

    def facts(self, waivers: list[str]) -> dict[str, str]:
        """Returns what a promotion notes: the policy, its commit, and what it let pass.

        Args:
            waivers: in words.
        """
        content = self.policy.model_dump(mode="json", exclude={"models"})
        flat = yaml.safe_dump(content, default_flow_style=True, width=10_000, sort_keys=False)
        return {
            "policy": flat.strip(),
            "policy_commit": self.commit,
            "waivers": "; ".join(waivers) or "none",
        }


def branch_of(project: Project) -> str:
    """Returns the branch that is checked out; empty if none is, as on many CI machines."""
    if not succeeds(project.root, "symbolic-ref", "--quiet", "HEAD"):
        return ""
    return project.git("symbolic-ref", "--short", "HEAD")


def policy_on_record(
    project: Project, candidate: ModelVersion, decided: dict[str, str] | None
) -> PolicyOnRecord:
    """Returns the policy that counts for a candidate.

    It is that of the branch whose checkout made the candidate, as this clone has it now. If this
    clone has no such branch, it is that of the candidate's commit, and at last that of HEAD.

    Args:
        decided: the gate's last decision about the candidate by the audit trail, or None.

    Raises:
        UserError: the committed policy is not valid, or there is none.
    """
    branch, commit = (decided or {}).get(BRANCH, ""), candidate.tags.get("commit", "")
    places = [(f"refs/heads/{branch}", branch), (f"refs/remotes/origin/{branch}", branch)]
    places = places if branch else []
    if COMMIT.fullmatch(commit):  # a tag that somebody can edit
        places.append((commit, f"commit {commit[:12]}"))
    for name, where in [*places, ("HEAD", "HEAD")]:
        try:
            found = name if COMMIT.fullmatch(name) else project.git("rev-parse", "--verify", name)
            text = _committed(project.root, found)
        except UserError:
            continue  # this clone has no such commit, or no policy is in it
        return PolicyOnRecord(read_policy(text, f"{POLICY} of {where}"), found, where)
    raise UserError(f"{POLICY} is in no commit of this clone: commit it, since only that counts")


@lru_cache(maxsize=64)
def _committed(root: Path, commit: str) -> str:
    """Returns the text of the policy in a commit, which never changes.

    Raises:
        UserError: there is no such commit, or no policy in it.
    """
    return git(root, "cat-file", "blob", f"{commit}:{POLICY.as_posix()}")


def differs_here(project: Project, counts: PolicyOnRecord) -> str:
    """Returns in words that the policy in the checkout is not the one that counts; else nothing."""
    try:
        here = read_policy((project.root / POLICY).read_text(encoding="utf-8"), str(POLICY))
    except (OSError, UserError):
        here = None
    if here == counts.policy:
        return ""
    return (
        f"{POLICY} in this checkout is another one than that of {counts.where}, which counts "
        f"({counts.commit[:12]}): commit a change there to make it count"
    )
