"""Pinned versions are compared with what is installed."""

from importlib.metadata import version

from flows.local.requirements import differing_versions


def test_installed_versions_pass_and_others_are_named() -> None:
    numpy = version("numpy")
    assert differing_versions(f"numpy=={numpy}\n\n# a comment\n--find-links x\n") == []
    assert differing_versions(f"numpy==0.1\npandas=={version('pandas')}\nno-such-package==1.0") == [
        f"numpy==0.1: {numpy} is installed",
        "no-such-package==1.0: not installed",
    ]
