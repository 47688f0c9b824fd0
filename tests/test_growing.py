"""A catalogue that grows: importing it again costs what is new, and changes nothing that is old."""

import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import fsspec
import pandas as pd
import pytest
import yaml
from conftest import LONG_AGO, Clone, contents, edit_table, put
from dvc.repo import Repo
from dvc_data.hashfile import build
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.local import tracked_import
from flows.local.project import Project
from flows.local.snapshots import POINTER, import_here
from flows.local.stored_snapshot import TABLES
from flows.registry.snapshot_record import log_diff
from flows.snapshot_diff import diff
from ml.core.errors import UserError
from ml.core.files import read_json
from ml.core.leftovers import remove_leftovers
from ml.core.paths import PREVIOUS, SNAPSHOT
from ml.data.schema import PAIR_COLUMNS
from ml.snapshot.diff import diff_snapshots
from ml.snapshot.diff_page import Side, write_diff
from ml.snapshot.picture_files import share
from ml.snapshot.picture_index import digests_of
from ml.snapshot.shop import Shop
from ml.snapshot.stage import Memory, import_shop


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    return Memory(tmp_path / "index.parquet", tmp_path / "fetched", tmp_path / "cache")


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The pictures that imports read from shops, in the order of their reading."""
    seen: list[str] = []
    read = Shop.read_picture

    def noting(self: Shop, image: str) -> bytes | None:
        seen.append(image)
        return read(self, image)

    monkeypatch.setattr(Shop, "read_picture", noting)
    return seen


def fresh(shop: Path, folder: Path) -> dict[str, bytes]:
    """What an import without any memory writes."""
    import_shop(str(shop), folder)
    return contents(folder)


def test_unchanged_pictures_are_known_without_reading_them(
    growing: Path, memory: Memory, reads: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "snapshot"
    import_shop(str(growing), out, memory)
    put(growing / "images/2.jpg", b"other bytes", LONG_AGO + 1)
    shutil.copy(growing / "images/0.jpg", growing / "images/9.jpg")
    edit_table(growing / "catalog.csv", lambda t: pd.concat([t[t["product_id"] != "p4"], t[:1]
        .assign(product_id="p9", image="images/9.jpg")]))  # fmt: skip
    reads.clear()
    import_shop(str(growing), out, memory)
    assert sorted(reads) == ["images/2.jpg", "images/9.jpg"]
    assert contents(out) == fresh(growing, tmp_path / "again")


def test_a_snapshot_elsewhere_does_not_make_the_one_here_forgotten(
    growing: Path, memory: Memory, tmp_path: Path
) -> None:
    """Retrainings take snapshots of the same shop in worktrees of their own."""
    import_shop(str(growing), tmp_path / "here", memory)
    put(growing / "images/2.jpg", b"other bytes", LONG_AGO + 1)
    import_shop(str(growing), tmp_path / "worktree", replace(memory, stays=False))
    made = import_shop(str(growing), tmp_path / "here", memory)
    assert len(made.kept) == 5
    assert contents(tmp_path / "here") == contents(tmp_path / "worktree")


def test_verify_reads_everything_and_finds_what_kept_its_size_and_time(
    growing: Path, memory: Memory, tmp_path: Path
) -> None:
    out = tmp_path / "snapshot"
    import_shop(str(growing), out, memory)
    old = (growing / "images/2.jpg").read_bytes()
    put(growing / "images/2.jpg", bytes(reversed(old)))
    import_shop(str(growing), out, memory)
    assert (out / "images" / digests_of(old).sha256).exists()
    verifying = Memory(memory.index, memory.fetched, memory.cache, verify=True)
    import_shop(str(growing), out, verifying)
    assert contents(out) == fresh(growing, tmp_path / "again")


def test_a_picture_that_has_just_changed_is_never_trusted(
    growing: Path, memory: Memory, reads: list[str], tmp_path: Path
) -> None:
    """It may change once more within the resolution of the disk's clock."""
    put(growing / "images/3.jpg", b"new", time.time())
    import_shop(str(growing), tmp_path / "snapshot", memory)
    reads.clear()
    import_shop(str(growing), tmp_path / "snapshot", memory)
    assert reads == ["images/3.jpg"]


def test_a_spoiled_snapshot_is_mended_by_the_next_import(
    growing: Path, memory: Memory, tmp_path: Path
) -> None:
    out = tmp_path / "snapshot"
    import_shop(str(growing), out, memory)
    whole = contents(out)
    names = sorted(file.name for file in (out / "images").iterdir())
    (out / "images" / names[0]).unlink()
    put(out / "images" / names[1], b"spoiled")
    (out / "images" / names[2]).rename(out / "images/other")
    (out / "images" / names[3]).unlink()
    (out / "images" / names[3]).symlink_to(growing / "catalog.csv")
    import_shop(str(growing), out, memory)
    assert contents(out) == whole
    assert not any(file.is_symlink() for file in (out / "images").iterdir())


@pytest.mark.parametrize("index", [b"", b"PAR1 torn", None], ids=["empty", "torn", "none"])
def test_without_a_readable_index_everything_is_read(
    growing: Path, memory: Memory, index: bytes | None, tmp_path: Path
) -> None:
    import_shop(str(growing), tmp_path / "snapshot", memory)
    memory.index.unlink() if index is None else memory.index.write_bytes(index)
    put(growing / "images/2.jpg", b"other bytes")
    import_shop(str(growing), tmp_path / "snapshot", memory)
    assert contents(tmp_path / "snapshot") == fresh(growing, tmp_path / "again")


@pytest.mark.parametrize(
    "name",
    ["replace", *(pytest.param(one, marks=pytest.mark.full) for one in ("write_bytes", "unlink"))],
)
def test_an_import_that_dies_leaves_a_snapshot_that_is_whole_or_absent(
    growing: Path, memory: Memory, tmp_path: Path, name: str
) -> None:
    """It dies, without any cleaning up, at each call that changes files, one after another."""
    out = tmp_path / "snapshot"
    import_shop(str(growing), out, memory)
    states = [contents(out)]
    original, dead = getattr(Path, name), True
    for last in range(0, 40, 2):
        put(growing / f"images/{last % 6}.jpg", f"bytes {last}".encode(), LONG_AGO + last)
        states.append(fresh(growing, tmp_path / f"as-{last}"))
        process = os.fork()
        if process == 0:
            calls = count()

            def dying(*arguments, last=last, calls=calls, **more):  # type: ignore[no-untyped-def]
                if next(calls) >= last:
                    os._exit(9)
                return original(*arguments, **more)

            setattr(Path, name, dying)
            import_shop(str(growing), out, memory)
            os._exit(0)
        dead = os.waitpid(process, 0)[1] != 0
        assert not out.exists() or contents(out) in states[-2:]
        import_shop(str(growing), out, memory)
        assert contents(out) == states[-1]
        remove_leftovers(tmp_path)
        assert sorted(one.name for one in tmp_path.glob("*snapshot*")) == ["snapshot"]
        if not dead:
            return
    raise AssertionError("every import died")


def test_pictures_of_a_url_are_known_by_what_its_server_says(
    growing: Path, memory: Memory, reads: list[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    files = fsspec.filesystem("memory")
    files.put(f"{growing}/", "/growing/", recursive=True)
    tags = {f"/growing/images/{number}.jpg": f'"tag {number}"' for number in range(6)}
    listing = type(files).ls

    def with_tags(self: object, path: str, detail: bool = True, **rest: object) -> object:
        found = listing(self, path, detail=True, **rest)
        return [one | {"ETag": tags.get(one["name"])} for one in found]

    monkeypatch.setattr(type(files), "ls", with_tags)
    for _ in range(2):
        import_shop("memory://growing", tmp_path / "snapshot", memory)
    assert len(reads) == 6
    tags["/growing/images/1.jpg"] = '"another"'
    import_shop("memory://growing", tmp_path / "snapshot", memory)
    assert reads[6:] == ["images/1.jpg"]
    assert contents(tmp_path / "snapshot") == fresh(growing, tmp_path / "again")


def test_what_is_shared_with_the_cache_cannot_be_written_through(tmp_path: Path) -> None:
    """Neither by a user nor by the administrator, who may write read-only files."""
    content = b"a picture"
    cached, place = tmp_path / "cached", tmp_path / "place"
    cached.write_bytes(content)
    cached.chmod(0o444)
    assert share(cached, place, digests_of(content))
    try:
        place.write_bytes(b"spoiled!!")
    except PermissionError:
        assert place.stat().st_ino == cached.stat().st_ino
    assert cached.read_bytes() == content


def test_a_spoiled_file_of_the_cache_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "cached").write_bytes(b"spoiled")
    assert not share(tmp_path / "cached", tmp_path / "place", digests_of(b"a picture"))
    assert not (tmp_path / "place").exists()


def test_tracking_is_that_of_plain_dvc_add(growing: Path, tracked: Project) -> None:
    """The pointer and every file of the cache are the same, first and again."""
    root = tracked.root
    for note in ("first", "again"):
        edit_table(growing / "catalog.csv", lambda t, note=note: t.assign(note=note))
        put(growing / "images/2.jpg", note.encode(), LONG_AGO + len(note))
        import_here(tracked, str(growing), False, print)
    pointer = root / POINTER
    own, cache = yaml.safe_load(pointer.read_text()), contents(root / ".dvc/cache/files")
    assert own["meta"] == {"source": str(growing), "products": 6}
    pointer.unlink()
    (root / ".dvc/cache").rename(root / ".dvc/before")
    with Repo(str(root)) as repo:
        repo.add([str(root / SNAPSHOT)])
    plain = yaml.safe_load(pointer.read_text())
    assert list(plain["outs"][0].items()) == list(own["outs"][0].items())
    made = contents(root / ".dvc/cache/files")
    assert made == {name: cache[name] for name in made}
    files = [file for file in (root / ".dvc/before/files").rglob("*") if file.is_file()]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o444}


def test_dvc_has_nothing_to_hash_after_an_import(
    growing: Path, tracked: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        import_here(tracked, str(growing), False, print)
        put(growing / "images/2.jpg", b"other bytes", LONG_AGO + 1)
    hashed: list[str] = []
    original = build.hash_file

    def noting(path: str, *rest: object, **more: object) -> object:
        hashed.append(path)
        return original(path, *rest, **more)

    monkeypatch.setattr(build, "hash_file", noting)
    with Repo(str(tracked.root)) as repo:
        assert repo.status() == {}
    assert hashed == []


def test_the_history_of_imports_does_not_matter(growing: Path, tracked: Project) -> None:
    """There and back again: equal shops are one snapshot; files dropped between are there again."""
    first = import_here(tracked, str(growing), True, print)
    whole = contents(tracked.root / SNAPSHOT)
    catalog = (growing / "catalog.csv").read_text()
    edit_table(growing / "catalog.csv", lambda t: t[:3].assign(brand="new"))
    assert import_here(tracked, str(growing), True, print) != first
    changes = read_json(tracked.root / PREVIOUS)["changes"]
    assert changes["products"] == {"added": 0, "removed": 3, "changed": 3}
    assert len(list((tracked.root / SNAPSHOT / "images").iterdir())) == 3
    (growing / "catalog.csv").write_text(catalog)
    assert import_here(tracked, str(growing), True, print) == first
    assert contents(tracked.root / SNAPSHOT) == whole


def test_a_picture_that_the_cache_has_lost_is_stored_again(growing: Path, tracked: Project) -> None:
    first = import_here(tracked, str(growing), False, print)
    cache = contents(tracked.root / ".dvc/cache/files")
    shutil.rmtree(tracked.root / ".dvc/cache")
    assert import_here(tracked, str(growing), False, print) == first
    assert contents(tracked.root / ".dvc/cache/files") == cache


@pytest.fixture
def grown(growing: Path, tracked: Project) -> tuple[Path, Project, list[str]]:
    """A shop, a project with two snapshots of it, and their ids; the shop is as in the second."""
    edit_table(growing / "catalog.csv", lambda t: t.assign(title="<b>a</b> [x](y)"))
    pairs = pd.DataFrame([("p0", "p2", 1), ("p1", "p3", 0)], columns=PAIR_COLUMNS)
    pairs.to_csv(growing / "pairs.csv", index=False)
    ids = [import_here(tracked, str(growing), True, print)]
    put(growing / "images/2.jpg", (growing / "images/0.jpg").read_bytes(), LONG_AGO + 1)
    edit_table(growing / "catalog.csv", lambda t: pd.concat([
        t[t["product_id"] != "p4"].replace({"title": {"<b>a</b> [x](y)": "other"}}),
        t[:1].assign(product_id="p9")]))  # fmt: skip
    rows = [("p2", "p0", 1), ("p1", "p5", 0), ("p1", "p3", 1)]
    pd.DataFrame(rows, columns=PAIR_COLUMNS).to_csv(growing / "pairs.csv", index=False)
    return growing, tracked, [*ids, import_here(tracked, str(growing), True, print)]


def test_a_diff_names_what_was_added_removed_and_changed(
    grown: tuple[Path, Project, list[str]], tmp_path: Path
) -> None:
    """By ids, by how they begin, by commits, and by the shop itself: the same diff."""
    growing, project, (first, second) = grown
    names = [(first, second), (first[:8], second[:-4]), ("HEAD~1", "HEAD"), (first, str(growing))]
    found = [diff(project, *both, tmp_path / "out") for both in names]
    for one in found:
        assert one["products"] == {
            "counts": {"added": 1, "removed": 1, "changed": 5},
            "added": ["p9"],
            "removed": ["p4"],
            "changed": {
                key: ["title", *(["picture"] if key == "p2" else [])]
                for key in ("p0", "p1", "p2", "p3", "p5")
            },
        }
        assert one["pairs"]["added"] == ["p1 p5"]
        assert one["pairs"]["removed"] == []
        assert one["pairs"]["changed"] == {"p1 p3": ["color_variants"]}
    assert read_json(tmp_path / "out/diff.json") == found[-1]
    page = (tmp_path / "out/diff.html").read_text()
    assert page.count("<img") == 8  # one added, one removed, five changed, one of them before
    assert "&lt;b&gt;a&lt;/b&gt;" in page
    assert "<b>a" not in page


def test_a_snapshot_differs_in_nothing_from_itself(
    grown: tuple[Path, Project, list[str]], tmp_path: Path
) -> None:
    found = diff(grown[1], "HEAD", "HEAD", tmp_path / "out")
    none = {"added": 0, "removed": 0, "changed": 0}
    assert [found[name]["counts"] for name in ("products", "pairs")] == [none, none]


def test_the_run_of_a_retraining_gets_the_diff_to_the_snapshot_before(
    grown: tuple[Path, Project, list[str]], tmp_path: Path
) -> None:
    _, project, (first, second) = grown
    logged: dict[str, bytes] = {}
    client: Any = SimpleNamespace(
        log_artifacts=lambda run, folder, place: logged.update(contents(Path(folder)))
    )
    log_diff(client, "run", project.root, pytest.fail)
    assert sorted(logged) == ["diff.html", "diff.json"]
    found = json.loads(logged["diff.json"])
    assert (found["before"], found["after"]) == (first[:12], second[:12])
    assert found["products"]["added"] == ["p9"]
    said: list[str] = []
    shutil.rmtree(project.root / ".dvc/cache")
    log_diff(client, "run", project.root, said.append)
    assert "is not recorded" in said[0]


def test_what_names_no_snapshot_is_refused(
    grown: tuple[Path, Project, list[str]], tmp_path: Path
) -> None:
    unknown = ["nothing", "", "--all", "HEAD:dvc.yaml", "abcdef12", "0" * 32, "HEAD~2", "HEAD~9"]
    for name in unknown:
        with pytest.raises(UserError):
            diff(grown[1], name, "HEAD", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_ids_that_come_twice_and_missing_ids_are_compared_too() -> None:
    """The contract refuses them later; a diff may be what shows them."""
    columns = ["product_id", "image", "brand", "gender", "article_type", "sha256"]
    rows = [["a", "1", "b", "g", "t", "x"], ["a", "2", "b", "g", "t", "y"], [None] * 6]
    before = pd.DataFrame(rows, columns=columns, dtype=object)
    after = before.assign(sha256=["x", "z", None])[:2]
    found = diff_snapshots({"catalog": before}, {"catalog": after}).products
    assert (found.added, found.removed, found.changed) == ([], [""], {"a (2)": ["picture"]})


VALUES = st.sampled_from(["a", "b", "a (2)", "a (2) (2)", "", "é", None])


@settings(deadline=None, max_examples=8)
@given(st.lists(st.lists(st.lists(VALUES, min_size=6, max_size=6), max_size=5), min_size=6))
def test_any_two_snapshots_can_be_compared(rows: list[list[list[str | None]]]) -> None:
    """Whatever their tables hold: the contract judges them later."""
    names = ["product_id", "image", "brand", "gender", "article_type", "sha256"]
    pairs = ["left", "right", "color_variants", "confidence", "annotator", "note"]
    pictures = ["product_id", "image", "role", "position", "sha256", "note"]
    frames = [
        pd.DataFrame(part, columns=columns, dtype=object)
        for part, columns in zip(rows[:6], [names] * 2 + [pairs] * 2 + [pictures] * 2, strict=True)
    ]
    with TemporaryDirectory() as folder:
        first, second = (
            Side("one", dict(zip(TABLES, frames[place::2], strict=True)), lambda _: None)
            for place in (0, 1)
        )
        found = write_diff(first, second, Path(folder))
        same = write_diff(first, first, Path(folder))
    counts = found.products.counts()
    assert len(frames[0]) - counts["removed"] + counts["added"] == len(frames[1])
    assert {*same.products.counts().values(), *same.pairs.counts().values()} == {0}


@pytest.mark.full
def test_the_command_imports_again_in_a_process_of_its_own(
    growing: Path, make_clone: Callable[[], Clone]
) -> None:
    clone = make_clone()
    said = [clone.run("snapshot", *more, str(growing)).stdout for more in ([], ["--verify"])]
    assert said[0].splitlines()[-1] == said[1].splitlines()[-1]
    assert clone.git("status", "--porcelain") == ""
    assert "up to date" in clone.python("-m", "dvc", "status", str(POINTER)).stdout


def test_another_checkout_takes_its_pictures_from_the_cache(
    growing: Path, tracked: Project, tmp_path: Path, reads: list[str]
) -> None:
    import_here(tracked, str(growing), False, print)
    reads.clear()
    memory = tracked_import.memory_of(tracked.room, str(growing), tracked.root / ".dvc/cache")
    import_shop(str(growing), tmp_path / "worktree", memory)
    assert reads == []
    assert contents(tmp_path / "worktree") == contents(tracked.root / SNAPSHOT)
    cache = tracked.root / ".dvc/cache/files/md5"
    files = [file for file in cache.rglob("*") if file.is_file()]
    before = {file: file.read_bytes() for file in files}
    for file in [*(tmp_path / "worktree/images").iterdir(), *growing.glob("images/*")]:
        try:
            file.write_bytes(b"spoiled")
        except PermissionError:
            continue
    assert {file: file.read_bytes() for file in files} == before
