"""What killed processes left is removed by the next one, and what living ones write is not."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from flows.local.project import Project
from flows.local.scratch import scratch
from ml.core.errors import UserError
from ml.core.files import replacing, write_json, write_table
from ml.core.leftovers import mark, remove_leftovers
from ml.core.spreadsheet import write_csv

KILLED = """
import os, signal, sys
from pathlib import Path
from ml.core.files import replacing
with replacing(Path(sys.argv[1])) as beside:
    (beside / "images").mkdir(parents=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def dead() -> str:
    """The mark of a process that has ended."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    return f"{mark().partition('-')[0]}-{ended.pid}"


def test_a_killed_writer_leaves_a_part_and_the_next_writer_removes_it(tmp_path: Path) -> None:
    folder = tmp_path / "a [shop]"
    subprocess.run([sys.executable, "-c", KILLED, str(folder)], check=False)
    assert [one.name.startswith(".a [shop].") for one in tmp_path.iterdir()] == [True]
    with replacing(folder) as beside:
        beside.mkdir()
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("write", [write_json, write_table, write_csv])
def test_no_file_takes_the_place_of_a_folder(
    tmp_path: Path, write: Callable[[Path, Any], None]
) -> None:
    (tmp_path / "theirs/below").mkdir(parents=True)
    (tmp_path / "theirs/below/kept.txt").write_text("years of work")
    with pytest.raises(UserError, match="theirs' is a folder, which stays as it is: name a file"):
        write(tmp_path / "theirs", {} if write is write_json else pd.DataFrame({"a": [1]}))
    assert (tmp_path / "theirs/below/kept.txt").read_text() == "years of work"
    assert [one.name for one in tmp_path.iterdir()] == ["theirs"]


def test_what_others_still_write_and_what_people_wrote_stays(tmp_path: Path, dead: str) -> None:
    elsewhere = f"00000000-{dead.partition('-')[2]}"  # another machine, which shares the folder
    stay = [
        f".shop.{mark()}.part",
        f".shop.{mark().partition('-')[0]}-{os.getppid()}.part",
        f".shop.{elsewhere}.part",
        ".shop.12.part",
        f"{dead}.txt",
    ]
    go = [f".shop.{dead}.part", f".mlflow.db.{dead}.part-journal", f"reproduce.{dead}.x1y2"]
    for name in (*stay, *go):
        (tmp_path / name).mkdir()
    assert sorted(remove_leftovers(tmp_path)) == sorted(go)
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted(stay)


def test_what_was_put_aside_returns_if_nothing_took_its_place(tmp_path: Path, dead: str) -> None:
    for name in ("lost", "replaced"):
        (tmp_path / f".{name}.{dead}.old.part").mkdir()
        (tmp_path / f".{name}.{dead}.old.part/old").touch()
    (tmp_path / "replaced").mkdir()
    remove_leftovers(tmp_path)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["lost", "replaced"]
    assert (tmp_path / "lost/old").exists()
    assert not (tmp_path / "replaced/old").exists()


def test_scratch_folders_of_killed_commands_go_and_those_of_living_ones_stay(
    tmp_path: Path, dead: str
) -> None:
    project = Project(tmp_path)
    (project.room / f"tmp/reproduce.{dead}.abc/clone").mkdir(parents=True)
    with scratch(project, "shop") as first, scratch(project, "predict") as second:
        assert sorted((project.room / "tmp").iterdir()) == sorted([first, second])
    assert list((project.room / "tmp").iterdir()) == []
