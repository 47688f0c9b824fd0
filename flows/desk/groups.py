"""The groups of a catalogue: search them, and merge, split and lock them by corrections."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import numpy as np
import pandas as pd
from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from flows.corrections import lock, say_all
from flows.desk.group_views import (
    corrections,
    outsiders,
    products,
    state_of,
    summaries,
    waiting,
)
from flows.desk.grouping_model import GroupingModels
from flows.desk.guard import form, values
from flows.desk.jobs import Jobs
from flows.desk.newest_groups import Catalogues, NewestGroups, Said, catalogues_of
from flows.desk.page import back, page, streamed
from flows.desk.people import Person, needs
from ml.catalogue.group_list import Order, Wanted
from ml.catalogue.merge_split import Pair, merging, splitting, still_together
from ml.catalogue.versions import NAME, load_table
from ml.core.errors import UserError, visible

PAGE = 50  # groups
MEMBERS = 200  # of a group on its page
SHOWN = 50  # corrections on a page
OUTSIDERS = 8
WORDS = 2000  # corrections that one change may add
CHOICES = 500  # brands or types that a field suggests
WAIT = 0.5  # seconds that a page waits for the model's embeddings
NEXT = "in force from the next grouping on"

Viewer = Annotated[Person, Depends(needs("viewer"))]
Corrector = Annotated[Person, Depends(needs("annotator"))]
Found = Annotated[Catalogues, Depends(catalogues_of)]

router = APIRouter()


@dataclass(frozen=True)
class Change:
    """A change of a group that a person has asked for.

    Attributes:
        what: "merge", "split", "lock" or "unlock".
        products: ids of all products that it is about.
        pairs: the corrections that do it; none for a lock.
        title: what it is, in words.
        fields: what the form says: name and value.
    """

    what: str
    products: list[str]
    pairs: list[Pair]
    title: str
    fields: list[tuple[str, str]]


@router.get("/groups")
def catalogues(request: Request, who: Viewer, found: Found) -> Response:
    """Lists the catalogues; leads to the only one."""
    names = found.names()
    if len(names) == 1:
        return RedirectResponse(f"/groups/{names[0]}", 303)
    return page(request, who, "catalogues.html.j2", names=names)


@router.get("/groups/{catalogue}")
def groups(
    request: Request,
    catalogue: str,
    who: Viewer,
    found: Found,
    q: Annotated[str, Query(max_length=200)] = "",
    brand: Annotated[str, Query(max_length=500)] = "",
    article_type: Annotated[str, Query(max_length=500)] = "",
    band: Annotated[str, Query(max_length=20)] = "",
    size: Annotated[str, Query(pattern=r"^\d{0,6}$")] = "",
    order: Order = "uncertain",
    looks: bool = False,
    locked: bool = False,
    waits: bool = False,
    at: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
) -> HTMLResponse:
    """Lists the groups that are looked for, a page of them at a time."""
    newest, said = found.newest(catalogue), found.said(catalogue)
    least = int(size or (1 if q else 2))
    wanted = Wanted(visible(q), brand, article_type, band, least, looks, order)
    held = newest.list.groups_of(said.locks["product_id"].tolist())
    waiting_for = newest.list.groups_of(waiting(newest, said))
    among: np.ndarray | None = None
    for chosen, places in ((locked, held), (waits, waiting_for)):
        if chosen:
            among = places if among is None else np.intersect1d(among, places)
    places = newest.list.find(wanted, among)
    pages = max(1, -(-len(places) // PAGE))
    at = min(at, pages)
    here = places[(at - 1) * PAGE : at * PAGE].tolist()
    asked = {name: value for name, value in request.query_params.items() if name != "at"}
    jobs: Jobs = request.app.state.jobs
    return page(
        request,
        who,
        "groups.html.j2",
        facts=newest.facts,
        groups=[
            one | {"locked": place in held, "waits": place in waiting_for}
            for place, one in zip(here, summaries(newest, here), strict=True)
        ],
        count=len(places),
        at=at,
        pages=pages,
        link=lambda number: f"?{urlencode(asked | {'at': number})}",
        asked={"q": q, "brand": brand, "article_type": article_type, "band": band, "size": size}
        | {"order": order, "looks": looks, "locked": locked, "waits": waits},
        brands=newest.list.brands[:CHOICES],
        article_types=newest.list.article_types[:CHOICES],
        waiting=len(set(waiting_for.tolist()) - {-1}),
        job=jobs.running("group"),
    )


@router.post("/groups/{catalogue}/group")
def group_again(request: Request, catalogue: str, who: Corrector, found: Found) -> Response:
    """Runs `variants group` for the catalogue, from the source of its newest version."""
    facts, jobs = found.newest(catalogue).facts, request.app.state.jobs
    columns = ",".join(f"{theirs}={ours}" for theirs, ours in facts["columns"].items())
    arguments = [f"--source={facts['source']}", f"--catalogue={catalogue}", f"--by={who.name}"]
    arguments += [f"--columns={columns}"] if columns else []
    words = f"Grouping of {catalogue}"
    try:
        job = jobs.start(found.project, "group", words, who.name, ["group", *arguments])
    except UserError as error:
        return back(request, f"/groups/{catalogue}", str(error), True)
    return RedirectResponse(f"/groups/{catalogue}/jobs/{job.number}", 303)


@router.get("/groups/{catalogue}/jobs/{number}")
def show_job(request: Request, catalogue: str, number: int, who: Viewer) -> Response:
    """Shows what a grouping says, line by line, until it has ended."""
    jobs: Jobs = request.app.state.jobs
    job = jobs.get(number)
    if job is None or not NAME.fullmatch(catalogue):
        raise HTTPException(404, "this desk does not remember that grouping")
    return streamed(request, who, "group_job.html.j2", job=job, catalogue=catalogue)


@router.get("/groups/{catalogue}/{group}")
def group(request: Request, catalogue: str, group: str, who: Viewer, found: Found) -> Response:
    """Shows one group: its products, what is said about them, and who is near."""
    newest = found.newest(catalogue)
    place = newest.list.place(group)
    if place is None:
        return _elsewhere(request, found, newest, group)
    said = found.said(catalogue)
    shown = summaries(newest, [place], MEMBERS)[0]
    ids = newest.list.members(place)["product_id"].tolist()
    words = corrections(newest, said, ids)
    locks = said.locks[said.locks["product_id"].isin(ids)]
    near, unknown = _near(request, newest, place)
    return page(
        request,
        who,
        "group.html.j2",
        facts=newest.facts,
        group=shown,
        near=near,
        unknown=unknown,
        words=words[:SHOWN],
        said=len(words),
        lock=locks.iloc[0].to_dict() if len(locks) else None,
    )


@router.get("/groups/{catalogue}/{group}/change")
def preview(
    request: Request,
    catalogue: str,
    group: str,
    who: Corrector,
    found: Found,
    what: Annotated[str, Query(pattern="^(merge|split|lock|unlock)$")],
    other: Annotated[str, Query(max_length=500)] = "",
    product: Annotated[list[str], Query(max_length=MEMBERS)] = [],  # noqa: B006 (never changed)
    go_are_one: bool = False,
    stay_are_one: bool = False,
) -> HTMLResponse:
    """Shows which corrections a change would add, before it adds them."""
    newest, said = found.newest(catalogue), found.said(catalogue)
    fields = [("what", what), ("other", other), *(("product", one) for one in product)]
    fields += [("go_are_one", "on")] if go_are_one else []
    fields += [("stay_are_one", "on")] if stay_are_one else []
    refusal, change = "", None
    try:
        change = _change(newest, said, group, fields)
        if change.pairs:
            say_all(found.project, catalogue, change.pairs, who.name, "", keep=False)
    except UserError as error:
        refusal = str(error)
    pairs = change.pairs if change else []
    return page(
        request,
        who,
        "group_change.html.j2",
        facts=newest.facts,
        group=group,
        change=change,
        refusal=visible(refusal),
        pairs=_shown_pairs(newest, pairs[:SHOWN]),
        state=_state(newest, said, change) if change else "",
        next=NEXT,
    )


@router.post("/groups/{catalogue}/{group}/change")
def correct(request: Request, catalogue: str, group: str, who: Corrector, found: Found) -> Response:
    """Adds the corrections of a change, unless somebody has said something meanwhile."""
    newest, said, sent = found.newest(catalogue), found.said(catalogue), form(request)
    url = f"/groups/{catalogue}/{quote(group)}"
    names = ("what", "other", "product", "go_are_one", "stay_are_one")
    fields = [(name, one) for name in names for one in values(request, name)]
    try:
        change = _change(newest, said, group, fields)

        def check() -> None:
            now = _state(found.newest(catalogue), found.said(catalogue), change)
            if sent.get("state") != now:
                raise UserError(
                    "nothing was added: somebody has said something about these products, or "
                    "grouped them, since you looked; this is how it stands now"
                )

        why, project = sent.get("why", ""), found.project
        if change.what in ("lock", "unlock"):
            held, other = change.what == "lock", dict(change.fields)["other"]
            lock(project, catalogue, other, who.name, why, held, check)
            return back(request, url, f"The group is {'' if held else 'no longer '}locked.")
        kept = say_all(project, catalogue, change.pairs, who.name, why, check=check)
    except UserError as error:
        return back(request, url, str(error), True)
    return back(request, url, f"Corrections added: {kept['rows']}, {NEXT}.")


def _change(
    newest: NewestGroups, said: Said, group: str, fields: Sequence[tuple[str, str]]
) -> Change:
    """Works out what a change is.

    Raises:
        UserError: it names what is not there, or it is no change.
        HTTPException: 404: there is no such group.
    """
    place = newest.list.place(group)
    if place is None:
        raise HTTPException(404, f"version {newest.number} has no group of this id")
    asked = dict(fields)
    what, ids = asked.get("what", ""), newest.list.members(place)["product_id"].tolist()
    words: list[Pair] = list(
        said.corrections[["left", "right", "same"]].itertuples(index=False, name=None)
    )
    kept = list(fields)
    if what == "merge":
        other = _other(newest, asked.get("other", "").strip(), place)
        ids = still_together(ids, words)
        more = still_together(newest.list.members(other)["product_id"].tolist(), words)
        pairs, products = merging([*ids, *more], words), [*ids, *more]
        title = f"Merge {len(ids)} and {len(more)} products into one group"
    elif what == "split":
        go = [one for one in ids if one in {value for name, value in fields if name == "product"}]
        stay = [one for one in ids if one not in go]
        if not go or not stay:
            raise UserError("choose the products that are to go; at least one must stay")
        ones = (asked.get("go_are_one") == "on", asked.get("stay_are_one") == "on")
        pairs, products = splitting(go, stay, words, *ones), ids
        title = f"Take {len(go)} of {len(ids)} products out of the group"
    elif what in ("lock", "unlock"):
        held = said.locks.loc[said.locks["product_id"].isin(ids), "group"]
        if what == "unlock" and not len(held):
            raise UserError("no product of this group is locked")
        kept = [("what", what), ("other", held.iloc[0] if what == "unlock" else group)]
        pairs, products = [], ids
        title = "Lock the group" if what == "lock" else "Unlock the group"
    else:
        raise HTTPException(422, "a group is merged, split, locked or unlocked")
    if what in ("merge", "split") and not pairs:
        raise UserError("this is said already: nothing needs to be added")
    if len(pairs) > WORDS:
        raise UserError(
            f"this would add {len(pairs):,} corrections: say that those that go, or those that "
            "stay, are of one design"
        )
    return Change(what, products, pairs, title, kept)


def _state(newest: NewestGroups, said: Said, change: Change) -> str:
    return state_of(newest, said, change.products, [change.what, *change.pairs])


def _other(newest: NewestGroups, named: str, place: int) -> int:
    """Returns the place of a group that is named by its id or by the id of a product."""
    found = newest.list.place(named)
    if found is None:
        found = int(newest.list.groups_of([named])[0])
    if found < 0:
        raise UserError(f"there is no group and no product '{visible(named)}'")
    if found == place:
        raise UserError(f"'{visible(named)}' is this group itself: name another one")
    return found


def _near(
    request: Request, newest: NewestGroups, place: int
) -> tuple[list[dict[str, Any]] | None, str]:
    """Returns the nearest products of other groups, None if they are not known yet, or why not."""
    models: GroupingModels = request.app.state.models
    try:
        closeness = models.of(newest).closeness(WAIT)
    except UserError as error:
        return [], visible(str(error))
    if closeness is None:
        return None, ""
    members = np.arange(newest.list.starts[place], newest.list.starts[place + 1])
    return outsiders(newest, closeness, members, OUTSIDERS), ""


def _shown_pairs(
    newest: NewestGroups, pairs: Sequence[Pair]
) -> list[tuple[dict[str, Any], dict[str, Any], bool]]:
    """Returns corrections with what is shown of their products."""
    ids = [one for left, right, _ in pairs for one in (left, right)]
    rows = newest.list.rows.get_indexer(pd.Index(ids, dtype=object)).tolist()
    found = products(newest, [max(row, 0) for row in rows]) if len(newest.list.rows) else []
    for place, row in enumerate(rows):
        if row < 0:  # a word about a product that is gone is taken back
            gone = {"id": ids[place], "title": ids[place], "problem": "gone"}
            found[place] = found[place] | gone | dict.fromkeys(("picture", "colour", "looks"))
    return [
        (found[2 * place], found[2 * place + 1], same) for place, (_, _, same) in enumerate(pairs)
    ]


def _elsewhere(
    request: Request, found: Catalogues, newest: NewestGroups, group: str
) -> RedirectResponse:
    """Leads from a retired group to the one that has most of its products now."""
    retired = load_table(found.store, newest.catalogue, newest.number, "retired")
    successor = dict(zip(retired["group"], retired["successor"], strict=True))
    now = successor.get(group)
    while now in successor:
        now = successor[now]
    if now is None or newest.list.place(now) is None:
        raise HTTPException(404, f"version {newest.number} has no group of this id")
    words = f"Group {group} is retired; most of its products are in this one now."
    return back(request, f"/groups/{newest.catalogue}/{quote(now)}", words)
