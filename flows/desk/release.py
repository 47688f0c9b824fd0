"""The release page: what serves, what waits and why; to approve, reject, promote and roll back.

No rule lives here: approvals are noted by the function of the commands `approve` and `reject`, and
`promote` and `rollback` run as commands. A form carries the state that it was made for, so that
nobody decides about what somebody else has changed meanwhile.
"""

import hashlib
import json
import threading
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.responses import HTMLResponse
from mlflow.artifacts import load_text
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from flows.desk.candidate import PAGES, files_of, shown_candidate
from flows.desk.guard import form
from flows.desk.jobs import Jobs
from flows.desk.page import back, page, streamed
from flows.desk.people import Person, needs
from flows.display.event_words import about, details, minute, serves
from flows.gate.approval import note_verdict
from flows.gate.fitness import refuse_unfit_now
from flows.gate.standing import approval_of
from flows.local.project import Project
from flows.registry.audit_trail import (
    IMPACT,
    MOVES,
    decision_on_record,
    events,
    impact_between,
)
from flows.registry.outside_move import notice
from flows.registry.people import account
from flows.registry.policy_on_record import policy_on_record
from flows.registry.production import number_of, promoted
from flows.registry.rollback_target import never_promoted, rollback_target
from flows.registry.still_client import StillClient
from flows.registry.tracking import connect
from flows.registry.trail_check import check_trail, trail_problems
from flows.registry.versions import (
    CHAMPION,
    find_candidate,
    policy_of,
    uri_of,
    version_by_alias,
)
from flows.status import changed_by_hand, later, newest, serving, stands
from ml.core.errors import UserError
from ml.promote.policy import Policy
from ml.promote.words import share_words

router = APIRouter(prefix="/release")
Viewer = Annotated[Person, Depends(needs("viewer"))]
Releaser = Annotated[Person, Depends(needs("releaser"))]
NEWEST = 12  # events of the timeline on the first page
# A page that a run keeps is a document of its own: it knows no session, and sends nothing.
SANDBOX = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; img-src data:; form-action 'none'; frame-ancestors 'none'; "
    "base-uri 'none'"
)
DECIDING = threading.Lock()  # of two people at the desk, the second sees what the first did
STALE = (
    "Nothing was changed: somebody has acted since your page was made. See below what is new, and "
    "decide again."
)


class Registry:
    """The registry as one request sees it.

    Attributes:
        project, policy: the project, and the policy of its checkout.
        client: asks for each registered model once.
        champion: the version that serves, or None.
        trail: all events, oldest first.
    """

    def __init__(self, request: Request) -> None:
        self.project: Project = request.app.state.project
        self.policy: Policy = policy_of(self.project)
        self.names = self.policy.models
        client = connect(self.project)
        self.client: MlflowClient = StillClient(client)
        self.problem = notice(self.project, self.client, self.names)
        if self.problem:  # it may have been noted just now
            self.client = StillClient(client)
        self.champion = version_by_alias(self.client, self.names.production, CHAMPION)
        self.trail = events(self.client, self.names)

    def candidate(self, number: str) -> ModelVersion:
        """Returns a candidate by its number; it raises as `find_candidate`."""
        return find_candidate(self.client, self.names, number)

    def state(self, about: str = "") -> str:
        """Returns a text that changes as soon as somebody decides or moves the champion.

        Args:
            about: URI of the candidate whose decisions count too.
        """
        seen = [one for one in self.trail if one["what"] in MOVES or one["version"] == about]
        champion = uri_of(self.champion) if self.champion else "none"
        text = json.dumps([champion, seen], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@router.get("")
def release(request: Request, who: Viewer, candidate: int = 0) -> HTMLResponse:
    """Shows what serves, what waits, one candidate with its pictures, and the newest events.

    Args:
        candidate: number of the candidate that is shown; 0: the newest one that waits.
    """
    now = Registry(request)
    waiting = [
        stands(now.client, now.policy, one, now.champion)
        for one in later(newest(now.client, now.names.candidates), now.champion)
    ]
    chosen = str(candidate) if candidate else _first(waiting)
    version = now.candidate(chosen) if chosen else None
    shown = None
    if version:
        signs = who.name, _known_as(request, who)
        shown = shown_candidate(now.project, now.client, version, now.champion, *signs)
    problems = [now.problem] if now.problem else []
    problems += trail_problems(check_trail(now.project, now.client, now.names))
    return page(
        request,
        who,
        "release.html.j2",
        problems=[str(one) for one in problems],
        serves=serves(serving(now.client, now.policy, now.champion)),
        champion=uri_of(now.champion) if now.champion else "",
        waiting=waiting,
        candidate=shown,
        state=now.state(uri_of(version)) if version else "",
        acts="releaser" in who.roles,
        job=_jobs(request).running("release"),
        events=_timeline(now.trail[::-1][:NEWEST]),
        hidden_events=max(0, len(now.trail) - NEWEST),
        share=share_words,
    )


@router.get("/history")
def history(request: Request, who: Viewer) -> HTMLResponse:
    """Shows the whole audit trail, newest first."""
    events = _timeline(Registry(request).trail[::-1])
    return page(request, who, "release_history.html.j2", events=events)


@router.get("/problems")
def problems(request: Request, who: Viewer) -> HTMLResponse:
    """Shows what people have done to the registry by hand; it looks at each version's files."""
    now = Registry(request)
    versions = (newest(now.client, one) for one in (now.names.production, now.names.candidates))
    found = changed_by_hand(now.project, now.client, now.names, *versions)
    return page(request, who, "release_problems.html.j2", problems=found)


@router.get("/candidates/{number}/{name}")
def kept_page(request: Request, who: Viewer, number: int, name: str) -> Response:
    """Sends a page that the candidate's run keeps, as a document without rights.

    Args:
        name: one of `PAGES`.
    """
    if name not in PAGES:
        raise HTTPException(404, f"there is no such page of a candidate, only {', '.join(PAGES)}")
    client, names = connect(request.app.state.project), policy_of(request.app.state.project).models
    version = find_candidate(client, names, str(number))
    files = files_of(client, version, decision_on_record(client, version))
    file = PAGES[name][0]
    try:
        text = load_text(f"{files.place}/{file}") if files else ""
    except (MlflowException, OSError):
        text = ""
    if not text:
        raise HTTPException(404, f"the run of {uri_of(version)} keeps no {file}")
    return HTMLResponse(text, headers={"Content-Security-Policy": SANDBOX})


@router.post("/approve")
def approve(request: Request, who: Releaser) -> Response:
    """Notes an approval."""
    return _note(request, who, "approval")


@router.post("/reject")
def reject(request: Request, who: Releaser) -> Response:
    """Notes a rejection."""
    return _note(request, who, "rejection")


def _note(request: Request, who: Person, verdict: Literal["approval", "rejection"]) -> Response:
    sent = form(request)
    number = _number(sent, "candidate")
    there = f"/release?{urlencode({'candidate': number})}"
    why, known_as = _comment(sent, "comment"), _known_as(request, who)
    with DECIDING:
        now = Registry(request)
        if sent.get("state") != now.state(uri_of(now.candidate(number))):
            return back(request, there, STALE, True)
        try:
            noted = note_verdict(now.project, number, verdict, who.name, why, known_as)
        except UserError as error:
            return back(request, there, f"Nothing was changed: {error}", True)
    does = "approves" if verdict == "approval" else "rejects"
    return back(request, there, f"{noted['by']} {does} {noted['model']}: {noted['words']}")


@router.get("/promote")
def preview_promotion(request: Request, who: Releaser, candidate: int) -> HTMLResponse:
    """Shows what the promotion of a candidate would do, and asks whether to do it."""
    now = Registry(request)
    version = now.candidate(str(candidate))
    decided = decision_on_record(now.client, version)
    policy = policy_on_record(now.project, version, decided).policy
    approval, refusal = approval_of(now.client, policy, version), ""
    try:
        refuse_unfit_now(now.client, policy, version)
    except UserError as error:
        refusal = str(error)
    if not refusal and approval.verdict != "approved":
        refusal = f"it cannot be promoted yet: {approval.words}"
    return page(
        request,
        who,
        "release_promote.html.j2",
        number=str(candidate),
        uri=uri_of(version),
        production=now.names.production,
        champion=uri_of(now.champion) if now.champion else "",
        approval=approval.words,
        impact=(decided or {}).get(IMPACT, ""),
        refusal=refusal,
        state=now.state(uri_of(version)),
    )


@router.post("/promote")
def promote(request: Request, who: Releaser) -> Response:
    """Starts the promotion of a candidate."""
    sent, now = form(request), Registry(request)
    number = _number(sent, "candidate")
    there = f"/release?{urlencode({'candidate': number})}"
    if sent.get("state") != now.state(uri_of(now.candidate(number))):
        return back(request, there, STALE, True)
    words, arguments = f"Promotion of candidate {number}", ["promote", number, f"--by={who.name}"]
    return _started(request, who, there, words, arguments)


@router.get("/rollback")
def preview_rollback(request: Request, who: Releaser, to: int = 0) -> HTMLResponse:
    """Shows what a rollback would do, and asks for the reason.

    Args:
        to: number of the production version that would serve; 0: the champion before today's.
    """
    now = Registry(request)
    champion, target, refusal = now.champion, "", ""
    takes_away = not to and champion and never_promoted(now.client, now.names, champion)
    if not takes_away:
        try:
            found = rollback_target(now.client, now.names, champion, str(to) if to else "")
            target = str(found.version)
        except UserError as error:
            refusal = str(error)
    serves_now = str(champion.version) if champion else "none"
    earlier = {number_of(one) for one in promoted(now.client, now.names)} - {serves_now}
    return page(
        request,
        who,
        "release_rollback.html.j2",
        target=target,
        production=now.names.production,
        champion=uri_of(champion) if champion else "",
        takes_away=bool(takes_away),
        earlier=sorted(earlier, key=int, reverse=True),
        impact=impact_between(now.client, now.names, target, serves_now) if target else "",
        refusal=refusal,
        state=now.state(),
    )


@router.post("/rollback")
def rollback(request: Request, who: Releaser) -> Response:
    """Starts a rollback."""
    sent, now = form(request), Registry(request)
    if sent.get("state") != now.state():
        return back(request, "/release", STALE, True)
    to, reason = _number(sent, "to", needed=False), _comment(sent, "reason")
    arguments = ["rollback", f"--reason={reason}", f"--by={who.name}"]
    arguments += [f"--to={to}"] if to else []
    words = f"Rollback to version {to}" if to else "Rollback"
    return _started(request, who, "/release/rollback", words, arguments)


@router.get("/jobs/{number}")
def show_job(request: Request, who: Viewer, number: int) -> Response:
    """Shows what a promotion or a rollback says, line by line, until it has ended."""
    job = _jobs(request).get(number)
    if job is None:
        raise HTTPException(
            404, "this desk does not remember that job: the history says what came of it"
        )
    return streamed(request, who, "release_job.html.j2", job=job)


def _started(
    request: Request, who: Person, there: str, words: str, arguments: list[str]
) -> Response:
    project: Project = request.app.state.project
    try:
        job = _jobs(request).start(project, "release", words, who.name, arguments)
    except UserError as error:
        return back(request, there, str(error), True)
    return back(request, f"/release/jobs/{job.number}", "")


def _known_as(request: Request, who: Person) -> dict[str, str]:
    """Returns the account of a person: the one of the proxy, else the one of this process."""
    if request.app.state.settings.user_header:
        return {"account": who.name}
    return account(request.app.state.project)


def _jobs(request: Request) -> Jobs:
    jobs: Jobs = request.app.state.jobs
    return jobs


def _first(waiting: list[dict[str, str]]) -> str:
    """Returns the number of the newest candidate that can be acted on, else of the newest one."""
    numbers = [one["version"] for one in waiting if one["step"] in ("approve", "promote")]
    return (numbers or [one["version"] for one in waiting] or [""])[0]


def _timeline(trail: list[dict[str, str]]) -> list[dict[str, Any]]:
    return [
        {
            "at": one["at"],
            "minute": minute(one["at"]),
            "what": one["what"],
            "about": about(one),
            "by": one["by"],
            "details": details(one),
        }
        for one in trail
    ]


def _number(sent: dict[str, str], name: str, needed: bool = True) -> str:
    """Returns a version's number of a form; never an option of a command, nor part of a path."""
    text = sent.get(name, "")
    if not (text.isascii() and text.isdigit()) and (text or needed):
        raise UserError(f"the form names no version in '{name}': load the page again")
    return text


def _comment(sent: dict[str, str], name: str) -> str:
    return sent.get(name, "").strip()
