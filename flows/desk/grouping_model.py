"""The model that made a catalogue's newest groups: what it finds near, and in which parts."""

import atexit
import base64
import hashlib
import json
import logging
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from queue import Empty, Queue
from threading import Lock, Thread
from typing import Any

import numpy as np

from flows.catalogue.embedder import Embedder, embedder
from flows.catalogue.embeddings import MODEL, kept_embeddings
from flows.desk.newest_groups import NewestGroups
from flows.local.project import Project
from flows.local.scratch import scratch
from ml.catalogue.block_grouping import relative_to
from ml.catalogue.closeness import Closeness
from ml.catalogue.occlusion import parts
from ml.catalogue.store import Store
from ml.catalogue.versions import load_table
from ml.core.errors import UserError
from ml.core.files import read_json, write_json
from ml.prepare.foreground import foreground

IDLE = 600.0  # seconds after which the model's process ends
KEPT = 2000  # explanations on disk, at most: about 4 KB each
FOLDER = "desk/parts"  # of the project's room

Pictures = Callable[[int], np.ndarray]  # from a row to its picture, uint8 (height, width, 3)


class GroupingModel:
    """The embeddings and the model of a version; both are opened when they are first needed."""

    def __init__(self, project: Project, store: Store, groups: NewestGroups) -> None:
        self.project, self.store, self.groups = project, store, groups
        self._stack, self._lock = ExitStack(), Lock()
        self._opened: Future[Closeness] | None = None
        self._folder: Path | None = None
        self._asked: dict[str, Future[dict[str, Any]]] = {}
        self._queue: Queue[tuple[str, int, int, Pictures]] = Queue()
        self._worker: Thread | None = None

    def closeness(self, wait: float) -> Closeness | None:
        """Returns what compares the version's products; None: it is still being opened.

        After a failure it is opened again at the next question.

        Args:
            wait: seconds, at most.

        Raises:
            UserError: the model cannot be used any more, or is not the one that grouped.
        """
        with self._lock:
            if self._opened is None:
                self._opened = Future()
                Thread(target=self._open, args=(self._opened,), daemon=True).start()
            opened = self._opened
        try:
            return opened.result(wait)
        except TimeoutError:
            return None
        except UserError:
            with self._lock:
                if self._opened is opened:
                    self._opened = None
            raise

    def parts(
        self, left: int, right: int, pictures: Pictures, wait: float
    ) -> dict[str, Any] | None:
        """Says in which parts two products of a block match; None: it is still being measured.

        Args:
            left, right: rows.
            pictures: reads a picture.
            wait: seconds, at most.

        Returns:
            {"left", "right"}: each {"size": [width, height], "boxes", "drop"}, see
            `ml.catalogue.occlusion.Parts`.

        Raises:
            UserError: as `closeness`, or a picture cannot be read.
            RuntimeError: the model failed.
        """
        if self.closeness(wait) is None:
            return None
        name = self._name(left, right)
        file = self.project.room / FOLDER / f"{name}.json"
        if file.is_file():
            return dict(read_json(file))
        with self._lock:
            asked = self._asked.get(name)
            if asked is None:
                asked = self._asked[name] = Future()
                self._queue.put((name, left, right, pictures))
            if self._worker is None or not self._worker.is_alive():
                self._worker = Thread(target=self._explain, daemon=True)
                self._worker.start()
        try:
            return asked.result(wait)
        except TimeoutError:
            return None

    def close(self) -> None:
        """Removes the copies of embeddings and model."""
        self._stack.close()

    def _name(self, left: int, right: int) -> str:
        pictures = self.groups.list.products["sha256"]
        named = [self.groups.facts["id"], pictures.iloc[left], pictures.iloc[right]]
        return hashlib.sha256(json.dumps(named).encode()).hexdigest()[:32]

    def _open(self, opened: "Future[Closeness]") -> None:
        try:
            with ExitStack() as stack:
                found = self._opened_in(stack.enter_context(scratch(self.project, "desk")))
                self._stack.enter_context(stack.pop_all())
            opened.set_result(found)
        except UserError as error:
            opened.set_exception(error)
        except Exception as error:
            logging.getLogger(__name__).exception("a model could not be opened")
            opened.set_exception(UserError(f"the model cannot be used: {error}"))

    def _opened_in(self, folder: Path) -> Closeness:
        """Opens embeddings and model, whose copies go to a folder."""
        facts, found = self.groups.facts, self.groups.list
        kept = kept_embeddings(self.project, self.store, facts["model"], found.products, folder)
        if kept.grouper.files != facts["model_files"]:
            raise UserError(
                f"{facts['model']} is not the model any more that made these groups: run "
                "`variants group` again"
            )
        if not kept.embeddings[np.zeros(1, int)].size:
            raise UserError("the store has no embeddings of this model: run `variants group` again")
        means = load_table(self.store, facts["catalogue"], self.groups.number, "means")
        self._folder = folder
        return Closeness(found.products, found.block, means, kept.embeddings, kept.grouper)

    def _explain(self) -> None:
        """Answers questions one after the other; the model's process ends when none come."""
        assert self._folder is not None
        try:
            with embedder(self.project, self._folder / MODEL) as model:
                while True:
                    name, left, right, pictures = self._queue.get(timeout=IDLE)
                    self._answer(name, partial(self._both, model, left, right, pictures))
        except Empty:
            return
        except Exception as error:  # the next question starts another process
            logging.getLogger(__name__).exception("a model failed")
            failed = UserError(f"the model failed: {error}; load the page again")
            while not self._queue.empty():
                self._done(self._queue.get()[0]).set_exception(failed)

    def _answer(self, name: str, find: Callable[[], dict[str, Any]]) -> None:
        """Answers one question.

        Raises:
            RuntimeError: the model's process has ended.
        """
        try:
            found = find()
            _keep(self.project.room / FOLDER, name, found)
            self._done(name).set_result(found)
        except UserError as error:
            self._done(name).set_exception(error)
        except Exception as error:
            self._done(name).set_exception(UserError(f"the model failed: {error}"))
            raise

    def _done(self, name: str) -> "Future[dict[str, Any]]":
        with self._lock:
            return self._asked.pop(name)

    def _both(self, model: Embedder, left: int, right: int, pictures: Pictures) -> dict[str, Any]:
        """Measures the parts of both pictures, each against the other one."""
        assert self._opened is not None
        closeness = self._opened.result()
        mean = closeness.mean(left)
        if mean is None or closeness.block[left] != closeness.block[right]:
            raise UserError("these two products are not compared: they are of two blocks")
        article_type = str(self.groups.list.products["article_type"].iloc[left])
        prior = closeness.grouper.block_prior

        def relative(content: bytes) -> np.ndarray:
            found = model.embed(base64.b64encode(content).decode(), article_type)
            return relative_to(found[None], mean, prior)[0]

        rows = closeness.vectors(np.array([left, right]))
        found = {}
        for side, row, other in (("left", left, rows[1]), ("right", right, rows[0])):
            picture = pictures(row)
            seen = foreground(picture)
            measured = parts(picture, seen.box, seen.mask, relative, other)
            found[side] = {
                "size": [picture.shape[1], picture.shape[0]],
                "boxes": [list(map(int, box)) for box in measured.boxes],
                "drop": [None if np.isnan(one) else round(float(one), 6) for one in measured.drop],
            }
        return found


class GroupingModels:
    """The models of the newest versions of a project's catalogues, one for each catalogue."""

    def __init__(self, project: Project, store: Store) -> None:
        self.project, self.store = project, store
        self._kept: dict[str, GroupingModel] = {}
        self._lock = Lock()
        atexit.register(self.close)

    def of(self, groups: NewestGroups) -> GroupingModel:
        """Returns the model of a version; that of the version before is closed."""
        with self._lock:
            kept = self._kept.get(groups.catalogue)
            if kept is None or kept.groups.number < groups.number:
                if kept is not None:
                    kept.close()
                kept = GroupingModel(self.project, self.store, groups)
                self._kept[groups.catalogue] = kept
            return kept

    def close(self) -> None:
        """Closes all."""
        for one in self._kept.values():
            one.close()


def _keep(folder: Path, name: str, found: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / f"{name}.json", found)
    kept = sorted(folder.glob("*.json"), key=lambda one: one.stat().st_mtime)
    for old in kept[:-KEPT]:
        old.unlink(missing_ok=True)
