"""Trimming the store takes nothing away from a grouping that is under way."""

import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from catalogue import grouper

from flows.catalogue import embeddings
from flows.catalogue.places import nobody_groups, one_grouping_at_a_time, store_of
from flows.local.project import Project
from flows.store import trim
from ml.catalogue.picture_store import PictureStore
from ml.catalogue.store import Store
from ml.core.errors import UserError

PRODUCTS = pd.DataFrame({"sha256": ["a", "b", "broken", None], "article_type": "Tops"})


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PictureStore:
    monkeypatch.setattr(embeddings, "grouper_of", lambda *given: grouper())
    monkeypatch.setattr(embeddings, "placeholders", lambda names: [None] * len(names))
    kept = PictureStore(Store(str(tmp_path / "store")))
    for name, problem in (("a", None), ("b", None), ("broken", "empty")):
        vector = pa.FixedSizeListArray.from_arrays(pa.array(np.ones(2, np.float16)), 2)
        kept.add(pa.table({"key": [f"{name}:Tops"], "embedding": vector, "problem": [problem]}))
    return kept


@pytest.mark.parametrize("gone", [["a", "b", "broken"], ["b"]])
def test_embeddings_that_are_gone_are_an_error_and_never_zeros(
    pictures: PictureStore, tmp_path: Path, gone: list[str]
) -> None:
    found = embeddings._found(pictures, PRODUCTS, tmp_path, "", 0)
    pictures.trim([f"{key}:Tops" for key in ("a", "b", "broken") if key not in gone])
    for _ in range(2):
        with pytest.raises(UserError, match=r"lacks the embeddings of [12] products: somebody has"):
            found.embeddings[np.array([0, 1])]


def test_what_cannot_be_read_needs_no_embedding(pictures: PictureStore, tmp_path: Path) -> None:
    found = embeddings._found(pictures, PRODUCTS, tmp_path, "", 0)
    pictures.trim(["a:Tops", "b:Tops"])
    assert found.embeddings[np.array([0, 1])].tolist() == [[1, 1], [1, 1]]
    assert [one is None for one in found.problems] == [True, True, False, False]


@pytest.mark.parametrize("url", ["", "memory://trimmed"])
def test_a_store_is_trimmed_only_while_nobody_groups(
    empty_project: Project, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("VARIANTS_STORE", url)
    monkeypatch.setattr("flows.store._needed", lambda *given: {})
    store = store_of(empty_project)
    store.write("embeddings/other/x.parquet", b"")
    with (
        one_grouping_at_a_time(empty_project, store, "new"),  # by a model that nothing needs yet
        pytest.raises(UserError, match="'new' is being grouped"),
    ):
        trim(empty_project)
    assert store.list("embeddings") == ["other"]
    entered, ended = threading.Event(), threading.Event()

    def group() -> None:
        with one_grouping_at_a_time(empty_project, store, "new"):
            entered.set()
            ended.wait(10)

    thread = threading.Thread(target=group)
    with nobody_groups(empty_project, store):
        thread.start()
        assert not entered.wait(0.2)
    assert entered.wait(10)
    ended.set()
    thread.join()
    assert trim(empty_project) == (["other"], 0, 0)


def test_two_checkouts_that_share_a_folder_group_one_after_the_other(
    empty_project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VARIANTS_STORE", str(tmp_path / "shared"))
    other, store = Project(tmp_path / "other"), store_of(empty_project)
    other.root.mkdir()
    entered = threading.Event()

    def group() -> None:
        with one_grouping_at_a_time(other, store_of(other), "shop"):
            entered.set()

    thread = threading.Thread(target=group)
    with one_grouping_at_a_time(empty_project, store, "shop"):
        thread.start()
        assert not entered.wait(0.2)
    assert entered.wait(10)
    thread.join()
    assert store.list() == []  # no lock is taken for something that is kept
