"""Renders the desk's pages, and leads back to them after a form."""

from pathlib import Path
from typing import Any

import jinja2
from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse

from flows.desk.guard import token_of
from flows.desk.people import Person

TEMPLATES = Path(__file__).parent / "templates"
MESSAGE, PROBLEM = "message", "problem"  # of the session, shown once
LONGEST = 1_500  # characters of a message: it travels in a cookie

_environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(TEMPLATES),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)


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
    session = request.session
    message, problem = session.pop(MESSAGE, ""), session.pop(PROBLEM, False)
    text = _environment.get_template(template).render(
        person=person,
        token=token_of(request),
        message=message,
        problem=problem,
        here=request.url.path,
        signs_in=not request.app.state.settings.user_header,
        **content,
    )
    return HTMLResponse(text, status)


def back(request: Request, url: str, message: str, problem: bool = False) -> RedirectResponse:
    """Leads to a page of the desk, which shows a message once.

    Args:
        url: a path of this desk.
        problem: whether the message says that something was refused.
    """
    request.session[MESSAGE] = message[:LONGEST]
    request.session[PROBLEM] = problem
    return RedirectResponse(url, 303)
