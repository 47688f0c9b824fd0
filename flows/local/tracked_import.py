"""Imports a shop into the checkout in the current folder, and lets DVC track it.

`python -m flows.local.tracked_import SOURCE` does it as a process of its own, with the code of the
checkout. What the import knows of earlier ones is in the folder `.variants/imports` of the project.
"""

import gc
import hashlib
from pathlib import Path
from typing import Annotated

import typer

from flows.local.dvc_config import FILES, cache_of
from flows.local.dvc_tracking import track
from ml.core.command import run_stage
from ml.core.paths import SNAPSHOT
from ml.snapshot.column_names import parse_columns
from ml.snapshot.corrected_pairs import read_corrected
from ml.snapshot.stage import Memory, import_shop


def main(
    source: str,
    room: Annotated[Path, typer.Option(help="The project's folder .variants.")],
    verify: Annotated[bool, typer.Option(help="Read every picture again.")] = False,
    columns: Annotated[str, typer.Option(help="Names of columns: THEIRS=OURS,…")] = "",
    corrections: Annotated[Path | None, typer.Option(help="CSV of corrections.")] = None,
) -> None:
    """Imports the shop SOURCE (a folder or fsspec URL) into data/snapshot, and DVC tracks it."""
    gc.disable()  # of a large catalogue it takes a sixth of the time, and finds nothing
    root = Path.cwd()
    memory = memory_of(room, source, cache_of(root), verify, stays=room.parent == root)
    corrected = read_corrected(corrections) if corrections else None
    named = parse_columns(columns)
    made = import_shop(source, root / SNAPSHOT, memory, named, corrections=corrected)
    md5s = {f"images/{one.sha256}": one.md5 for one in made.digests.values()}
    kept = {f"images/{name}": size for name, size in made.kept.items()}
    track(root, md5s, kept, {"source": source, "products": made.products})


def memory_of(
    room: Path, source: str, cache: Path, verify: bool = False, stays: bool = True
) -> Memory:
    """Returns what a project knows of earlier imports of a source.

    Args:
        room: the project's folder `.variants`.
        cache: the folder of DVC's cache.
        verify, stays: as of `Memory`.
    """
    name = hashlib.sha256(source.encode()).hexdigest()[:32]
    index = room / "imports" / f"{name}.parquet"
    return Memory(index, room / "fetched", cache / FILES, verify, stays)


if __name__ == "__main__":
    run_stage(main)
