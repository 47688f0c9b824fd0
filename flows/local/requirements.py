"""Compares pinned requirements with the installed packages."""

from importlib.metadata import PackageNotFoundError, version

from packaging.requirements import Requirement


def differing_versions(requirements: str, needed: bool = True) -> list[str]:
    """Returns one line of text for each pinned requirement that is not met here.

    Args:
        requirements: text of a requirements file; comments and options are skipped.
        needed: whether a package that is not installed counts as differing. True for requirements;
            false for constraints, which only restrict the packages that are installed.
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
