"""Pinned requirements, held against what is installed here."""

from importlib.metadata import PackageNotFoundError, version

from packaging.requirements import Requirement


def differing_versions(requirements: str, needed: bool = True) -> list[str]:
    """Of pinned requirements, those that are not installed in this version, in words.

    Args:
        needed: whether all must be installed; of constraints only those matter that are.
    """
    differing = []
    for line in requirements.splitlines():
        if not line.strip() or line.startswith(("#", "-")):
            continue
        wanted = Requirement(line)
        try:
            installed = version(wanted.name)
        except PackageNotFoundError:
            differing += [f"{wanted}: not installed"] if needed else []
            continue
        if not wanted.specifier.contains(installed, prereleases=True):
            differing.append(f"{wanted}: {installed} is installed")
    return differing
