"""Renders the desk's pages, and leads back to them after a form."""

import json
from itertools import accumulate
from pathlib import Path
from typing import Any

import jinja2
from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, StreamingResponse

from flows.desk.guard import token_of
from flows.desk.people import Person

TEMPLATES = Path(__file__).parent / "templates"
KEYS = "keys"  # of the session: whether single keys press buttons
MESSAGE, PROBLEM = "message", "problem"  # of the session, shown once
KEPT = 2_900  # characters of the session's JSON: browsers drop a cookie of more than 4,096 bytes

environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(TEMPLATES),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)
streams = environment.overlay(enable_async=True)


def page(
    request: Request,
    person: Person | None,
    template: str,
    status: int = 200,
    **content: Any,
) -> HTMLResponse:
    """Renders a template of `templates/`; every text in it is escaped.

    Args:
        person: who looks; None: not known.
        template: name of a file, which extends base.html.j2.
        content: every name that the template asks for; jinja2.UndefinedError if one is missing.
    """
    text = environment.get_template(template).render(shared(request, person) | content)
    return HTMLResponse(text, status)


def streamed(
    request: Request, person: Person | None, template: str, **content: Any
) -> StreamingResponse:
    """Renders a template as `page`, and sends each part as soon as it is rendered.

    So a template may loop over what comes in time, such as the lines of a running command: an
    asynchronous iterator, which is left when the browser leaves.
    """
    parts = streams.get_template(template).generate_async(shared(request, person) | content)
    return StreamingResponse(parts, media_type="text/html")


def shared(request: Request, person: Person | None) -> dict[str, Any]:
    """Returns what base.html.j2 asks for; the session's message is in it once."""
    session = request.session
    return {
        "person": person,
        "token": token_of(request),
        "message": session.pop(MESSAGE, ""),
        "problem": session.pop(PROBLEM, False),
        "keys": session.get(KEYS, True),
        "here": request.url.path,
        "signs_in": not request.app.state.settings.user_header,
    }


def back(request: Request, url: str, message: str, problem: bool = False) -> RedirectResponse:
    """Leads to a page of the desk, which shows a message once.

    Args:
        url: a path of this desk.
        problem: whether the message says that something was refused.
    """
    request.session[MESSAGE], request.session[PROBLEM] = "", problem
    left = KEPT - len(json.dumps(dict(request.session)))
    request.session[MESSAGE] = _cut(message, left)
    return RedirectResponse(url, 303)


def _cut(text: str, left: int) -> str:
    """Returns a text, or as much of it as takes so many characters in JSON, and an ellipsis."""
    if len(json.dumps(text)) <= left:
        return text
    lengths = accumulate(len(json.dumps(one)) - 2 for one in text)
    return text[: sum(length <= left - 8 for length in lengths)] + "…"
