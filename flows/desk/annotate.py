"""The desk's pages to annotate: batches, one pair after the other, and conflicts."""

from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote

import numpy as np
import pandas as pd
from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from flows.annotate import listed, status
from flows.annotations.batches import Batch, find_batch
from flows.annotations.database import NUMBERS
from flows.annotations.decisions import (
    Pair,
    answered_by,
    decide,
    find_pair,
    last_word,
    queue,
    undo,
)
from flows.desk.guard import form
from flows.desk.newest_groups import Catalogues, catalogues_of
from flows.desk.page import back, page, streamed
from flows.desk.people import Person, needs
from flows.registry.people import folded, names_in
from ml.annotate.consensus import ANSWERS
from ml.catalogue.group_list import GroupList
from ml.core.errors import UserError
from ml.data.schema import BLOCK

SHOWN = 50  # conflicts on the page of a batch
MATES = 12  # other products of the block that give the eye a scale

router = APIRouter(prefix="/annotate")
Viewer = Annotated[Person, Depends(needs("viewer"))]
Annotator = Annotated[Person, Depends(needs("annotator"))]
Known = Annotated[Catalogues, Depends(catalogues_of)]


@dataclass(frozen=True)
class Side:
    """A product of a pair.

    Attributes:
        picture: path of its picture; "": the catalogue has it no more, or never had one.
        facts: what the shop says of it: (name, value).
    """

    picture: str
    facts: list[tuple[str, str]]


@router.get("")
def show_batches(request: Request, who: Viewer, known: Known) -> HTMLResponse:
    """Lists the batches, and lets annotators make another one."""
    content: dict[str, Any] = {
        "batches": listed(request.app.state.project)[::-1],
        "catalogues": known.names(),
        "job": request.app.state.jobs.running("annotate"),
    }
    return page(request, who, "annotate_batches.html.j2", **content)


@router.post("")
def make_batch(request: Request, who: Annotator) -> RedirectResponse:
    """Runs `variants annotate suggest`."""
    said, project = form(request), request.app.state.project
    arguments = [f"--{one}={said.get(one, '')}" for one in ("catalogue", "budget", "mode")]
    arguments += [f"--overlap={said.get('overlap') or 0}", f"--by={who.name}"]
    arguments += [f"--annotator={one}" for one in names_in(said.get("annotators", ""))]
    words = f"A batch of pairs of {said.get('catalogue', '')}"
    try:
        job = request.app.state.jobs.start(
            project, "annotate", words, who.name, ["annotate", "suggest", *arguments]
        )
    except UserError as error:
        return back(request, "/annotate", str(error), True)
    return RedirectResponse(f"/annotate/jobs/{job.number}", 303)


@router.get("/jobs/{number}")
def show_job(request: Request, number: int, who: Viewer) -> Response:
    """Shows what the making of a batch says, line by line, until it has ended."""
    job = request.app.state.jobs.get(number)
    if job is None:
        raise HTTPException(404, "this desk does not remember that batch being made")
    return streamed(request, who, "annotate_job.html.j2", job=job)


@router.get("/{name}")
def show_batch(request: Request, name: str, who: Viewer) -> HTMLResponse:
    """Shows how far a batch is, how far people agree, and what is in conflict.

    What others said about a pair in conflict is shown to those who have answered it: who settles it
    judges alone.
    """
    project = request.app.state.project
    found = status(project, name)
    waits = queue(project, find_batch(project, name), who.name)
    me = folded(who.name)
    more = len(found["conflicts"][SHOWN:])
    found["conflicts"] = found["conflicts"][:SHOWN]
    for one in found["conflicts"]:
        one["mine"] = me in map(folded, one["answers"])
    content: dict[str, Any] = {
        "batch": found,
        "left": waits.left,
        "more": more,
        "count": waits.asked,
    }
    return page(request, who, "annotate_batch.html.j2", **content)


@router.get("/{name}/next")
def show_next(
    request: Request,
    name: str,
    who: Annotator,
    known: Known,
    pair: Annotated[int | None, Query(ge=1, lt=NUMBERS)] = None,
    settle: bool = False,
) -> Response:
    """Shows the pair that a person is to answer next, or a certain one of the batch.

    Whoever settles a conflict comes back to the batch afterwards.
    """
    project = request.app.state.project
    batch = find_batch(project, name)
    waits = queue(project, batch, who.name)
    if pair is None and not waits.left:
        return back(request, _path(batch), "Nothing of this batch is left for you. Thank you.")
    asked = waits.pairs[0] if pair is None else _of(batch, find_pair(project, pair))
    others = [one for one in waits.pairs if one.id != asked.id][:1]
    products = known.newest(batch.catalogue).list
    content: dict[str, Any] = {
        "batch": batch,
        "pair": asked,
        "settle": settle,
        "left": waits.left,
        "count": waits.asked,
        "sides": [_side(batch, products, one) for one in (asked.left, asked.right)],
        "mates": [_picture(batch, one) + "?small" for one in _mates(products, asked)],
        "ahead": [
            side.picture
            for one in others
            for side in (_side(batch, products, end) for end in (one.left, one.right))
        ],
        "last": last_word(project, batch, who.name),
        "answers": list(zip(ANSWERS, "sdu", strict=True)),
        "mine": answered_by(project, asked.id, who.name),
    }
    return page(request, who, "annotate_pair.html.j2", **content)


@router.post("/{name}")
def keep_answer(request: Request, name: str, who: Annotator) -> RedirectResponse:
    """Keeps an answer, and leads to the next pair, or back to the batch's conflicts."""
    project, said = request.app.state.project, form(request)
    batch = find_batch(project, name)
    pair = _of(batch, find_pair(project, _number(said, "pair")))
    decide(project, pair.id, who.name, said.get("answer", ""), said.get("why", ""))
    return RedirectResponse(_path(batch) if said.get("settle") else f"{_path(batch)}/next", 303)


@router.post("/{name}/undo")
def take_back(request: Request, name: str, who: Annotator) -> RedirectResponse:
    """Takes the person's last answer back, and shows its pair again."""
    project = request.app.state.project
    batch = find_batch(project, name)
    pair = undo(project, _number(form(request), "decision"), who.name, batch)
    return RedirectResponse(f"{_path(batch)}/next?pair={pair.id}", 303)


def _path(batch: Batch) -> str:
    return f"/annotate/{quote(batch.name, safe='')}"


def _number(said: dict[str, str], name: str) -> int:
    text = said.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) < 11 and int(text) < NUMBERS):
        raise HTTPException(400, f"the form lacks its {name}: load the page again")
    return int(text)


def _of(batch: Batch, pair: Pair) -> Pair:
    if pair.batch != batch.id:
        raise HTTPException(404, f"the batch {batch.name} has no pair {pair.id}")
    return pair


def _side(batch: Batch, products: GroupList, product: str) -> Side:
    row = int(products.rows.get_indexer(pd.Index([product], dtype=object))[0])
    if row < 0:
        return Side("", [("id", product), ("now", "no longer in the catalogue")])
    one = products.products.iloc[row]
    names = {"title": "title", "colour": "base_colour", "block": None, "id": "product_id"}
    values = {
        shown: " · ".join(map(str, one[BLOCK])) if column is None else one.get(column)
        for shown, column in names.items()
    }
    facts = [(shown, str(value)) for shown, value in values.items() if not pd.isna(value)]
    digest = one["sha256"]
    return Side(_picture(batch, digest) if isinstance(digest, str) else "", facts)


def _mates(products: GroupList, pair: Pair) -> list[str]:
    """Returns digests of pictures of others of the block, evenly chosen by id: by no model."""
    row = int(products.rows.get_indexer(pd.Index([pair.left], dtype=object))[0])
    if row < 0:
        return []
    rows = np.flatnonzero(products.block == products.block[row])
    block = products.products.iloc[rows]
    others = block[~block["product_id"].isin([pair.left, pair.right]) & block["sha256"].notna()]
    places = np.linspace(0, len(others) - 1, min(MATES, len(others))).round().astype(int)
    return others.sort_values("product_id")["sha256"].iloc[places].tolist()


def _picture(batch: Batch, digest: str) -> str:
    return f"/picture/{batch.catalogue}/{digest}"
