"""This checkout: where it is, which commit its figures are of, and where benchmarks keep what they make."""

import subprocess
from pathlib import Path

from ml.synthetic import generate_shop

ROOT = Path(__file__).parents[1]
WORK = ROOT / ".variants/benchmarks"
PRODUCTS = 360  # of the generated shop


def commit(*written: str) -> str:
    """The commit that the figures are of; a dirty tree is marked, whatever state the files are in that the benchmark writes."""
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
    """The folder of a generated shop's JPEG files; made once."""
    shop = WORK / "shop"
    if not shop.is_dir():
        generate_shop(shop, PRODUCTS, seed=0)
    return shop / "images"
