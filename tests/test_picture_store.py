"""The store keeps what was computed for pictures: whole parts, found again, trimmed, merged."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml.catalogue.picture_store import GROUP, MANY, PictureStore
from ml.catalogue.store import Store


def rows(keys: list[str]) -> pa.Table:
    return pa.table({"key": keys, "length": [len(key) for key in keys]})


def found(pictures: PictureStore, keys: list[str]) -> dict[int, int]:
    return {
        int(place): length
        for places, part in pictures.read(keys, ["length"])
        for place, length in zip(places, part["length"].to_pylist(), strict=True)
    }


@pytest.fixture(params=["folder", "memory"])
def pictures(request: pytest.FixtureRequest, tmp_path: Path) -> PictureStore:
    url = str(tmp_path) if request.param == "folder" else f"memory://{tmp_path.name}"
    return PictureStore(Store(url).below("lengths"))


def test_values_are_found_at_every_place_of_their_key(pictures: PictureStore) -> None:
    pictures.add(rows(["a", "bb"]))
    pictures.add(rows(["ccc", "bb"]))
    assert found(pictures, ["bb", "dddd", "ccc", "bb", "a"]) == {0: 2, 2: 3, 3: 2, 4: 1}
    assert pictures.missing(["bb", "dddd", "dddd"]) == ["dddd"]


def test_trimming_keeps_what_is_named_and_nothing_else(pictures: PictureStore) -> None:
    pictures.add(rows(["a", "bb"]))
    pictures.add(rows(["ccc"]))
    assert pictures.trim(["bb"]) == 2
    assert pictures.keys() == ["bb"]


def test_many_small_parts_become_one_without_loss(pictures: PictureStore) -> None:
    keys = [str(10**place) for place in range(MANY + 2)]
    for key in keys:
        pictures.add(rows([key]))
    pictures.compact()
    assert len(pictures.store.list()) == 1
    assert found(pictures, keys) == dict(enumerate(map(len, keys)))


def test_one_value_is_read_with_few_others_and_the_first_part_counts(
    pictures: PictureStore,
) -> None:
    keys = [f"{number:0{1 + number % 3}d}x" for number in range(3 * GROUP)]
    pictures.add(rows(keys))
    pictures.add(rows([*keys[:2], "other"]))
    places = pictures.locate([keys[-1], "nowhere", keys[0], "other"])
    lengths = [pictures.value(places, one, "length") for one in range(4)]
    assert lengths == [len(keys[-1]), None, len(keys[0]), 5]
    first = sorted(pictures.store.list())[0]
    assert places.parts[places.part[2]] == first
    with pictures.store.fs.open(pictures.store.path(first), "rb") as file:
        assert pq.ParquetFile(file).metadata.row_group(0).num_rows <= GROUP
    for name in places.parts:
        pictures.store.remove(name)
    with pytest.raises(FileNotFoundError):
        pictures.value(places, 0, "length")


def is_right(reader: str, pictures: PictureStore, keys: list[str]) -> bool:
    """Runs a reader of a store that has these keys; returns whether it found them all."""
    lengths = [len(key) for key in keys]
    if reader == "keys":
        return set(keys) <= set(pictures.keys())
    if reader == "missing":
        return pictures.missing([*keys, "none"]) == ["none"]
    if reader == "read":
        return found(pictures, keys) == dict(enumerate(lengths))
    if reader == "locate":
        places = pictures.locate(keys)
        other = PictureStore(pictures.store)  # what is merged after the last step is located again
        there = all(name in other.store.list() for name in places.parts)
        places = places if there else other.locate(keys)
        return [other.value(places, at, "length") for at in range(len(keys))] == lengths
    pictures.trim(keys) if reader == "trim" else pictures.compact()
    return set(keys) <= set(pictures.keys())


@pytest.mark.parametrize("reader", ["keys", "missing", "read", "locate", "trim", "compact"])
@pytest.mark.parametrize("disturbance", ["compact", "trim"])
@pytest.mark.parametrize("step", range(4))
def test_whoever_reads_loses_nothing_while_others_merge_and_trim(
    pictures: PictureStore,
    reader: str,
    disturbance: str,
    step: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ml.catalogue.picture_store.MANY", 2)
    keys, other, calls = ["a", "bb", "ccc", "dddd"], PictureStore(pictures.store), iter(range(99))
    for key in keys:
        pictures.add(rows([key] if disturbance == "compact" else [key, f"other {key}"]))

    def part(name: str, columns: list[str] | None) -> pa.Table:
        if next(calls) == step:
            other.compact() if disturbance == "compact" else other.trim(keys)
        return other._part(name, columns)

    monkeypatch.setattr(pictures, "_part", part)
    assert is_right(reader, pictures, keys)
    assert set(keys) <= set(other.keys())


def test_embeddings_come_back_as_they_were(pictures: PictureStore) -> None:
    values = np.arange(12, dtype=np.float16).reshape(4, 3)
    array = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), 3)
    pictures.add(pa.table({"key": list("abcd"), "embedding": array}))
    out = np.zeros((2, 3), np.float16)
    for places, part in pictures.read(["d", "b"], ["embedding"]):
        flat = part["embedding"].combine_chunks().flatten().to_numpy()
        out[places] = flat.reshape(-1, 3)
    assert (out == values[[3, 1]]).all()
