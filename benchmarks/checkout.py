"""This checkout: its folder, the commit of its measurements, and the benchmarks' own folder."""

import subprocess
from pathlib import Path

from ml.synthetic import generate_shop

ROOT = Path(__file__).parents[1]
WORK = ROOT / ".variants/benchmarks"
PRODUCTS = 360  # of the generated shop


def commit(*written: str) -> str:
    """Returns the commit that is measured, with "-dirty" if tracked files were changed.

    Args:
        written: files that the benchmark itself writes; changes of them do not count.
    """
    head = _git("rev-parse", "--short", "HEAD")
    changed = _git(
        "status",
        "--porcelain",
        "--untracked-files=no",
        "--",
        ".",
        *(f":(exclude){name}" for name in written),
    )
    return f"{head}-dirty" if changed else head


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()


def shop_images() -> Path:
    """Returns the folder of a generated shop's JPEG files, which it makes once."""
    shop = WORK / "shop"
    if not shop.is_dir():
        generate_shop(shop, PRODUCTS, seed=0)
    return shop / "images"
