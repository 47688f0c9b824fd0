"""The desk's web application: its pages, and what all of them share."""

import logging
import secrets
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from limits import parse
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from flows.desk import annotate, groups, pictures, release, why_together
from flows.desk.grouping_model import GroupingModels
from flows.desk.guard import HEADERS, NOT_KEPT, Guard, check_form, form
from flows.desk.jobs import Jobs
from flows.desk.newest_groups import Catalogues
from flows.desk.page import KEYS, back, page
from flows.desk.people import NAME, Person, needs, person
from flows.desk.settings import Settings
from flows.local.outages import outage
from flows.local.project import Project
from flows.registry.people import refusal_of_name, shown
from ml.core.errors import UserError, visible
from ml.core.files import replacing

STATIC = Path(__file__).parent / "static"
KEY = "desk.key"  # in the project's room; it signs the cookies
SESSION = "desk"  # name of the cookie
WEEK = 7 * 24 * 3600  # seconds


def desk_app(project: Project, settings: Settings) -> FastAPI:
    """Returns the application.

    Every route may take `person` or `needs(role)` of `flows.desk.people` as a dependency, and finds
    the project in `request.app.state.project`. A UserError becomes a page with its words.
    """
    app = FastAPI(
        title="Colour variants",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        dependencies=[Depends(check_form)],
    )
    app.state.project, app.state.settings = project, settings
    app.state.catalogues = Catalogues(project)
    app.state.models = GroupingModels(project, app.state.catalogues.store)
    guard = Guard(settings, parse(settings.rate))
    app.add_middleware(BaseHTTPMiddleware, dispatch=guard)  # innermost: it reads the session
    app.add_middleware(
        SessionMiddleware,
        secret_key=_key(project),
        session_cookie=SESSION,
        max_age=WEEK,
        same_site="strict",
    )
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=settings.hosts)
    for module in (pictures, why_together, groups, release, annotate):
        app.include_router(module.router)
    app.state.jobs = Jobs()
    app.mount("/static", StaticFiles(directory=STATIC), name="static")

    @app.exception_handler(UserError)
    async def refused(request: Request, error: UserError) -> Response:
        return _problem(request, 422, str(error))

    @app.exception_handler(StarletteHTTPException)
    async def answered(request: Request, error: HTTPException) -> Response:
        if error.status_code == 303:
            return RedirectResponse(error.headers["Location"], 303)  # type: ignore[index]
        return _problem(request, error.status_code, str(error.detail))

    @app.exception_handler(RequestValidationError)
    async def explained(request: Request, error: RequestValidationError) -> Response:
        faults = [f"{one['loc'][-1]}: {one['msg']}" for one in error.errors()[:3]]
        return _problem(request, 422, "; ".join(faults))

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        words = outage(error)
        if words is None:
            logging.getLogger(__name__).exception("a page failed")
        failure = words or "the desk failed at this request; its log says why"
        response = _problem(request, 503 if words else 500, failure)
        response.headers.update(HEADERS | NOT_KEPT)  # the guard does not see this response
        return response

    @app.get("/who")
    def ask_name(request: Request, next: str = "/") -> HTMLResponse:
        """Asks for the name of whoever has come."""
        return page(request, None, "who.html.j2", next=_inside(next), name="")

    @app.post("/who")
    def keep_name(request: Request) -> Response:
        """Keeps the name in the session."""
        said = form(request)
        name, leads = said.get("name", ""), _inside(said.get("next", "/"))
        if settings.user_header:
            raise HTTPException(403, "the proxy in front of this desk says who you are")
        refusal = refusal_of_name(name)
        if refusal or len(name) > 200:
            return back(
                request, f"/who?next={quote(leads)}", f"This {refusal or 'is too long'}.", True
            )
        request.session.clear()
        request.session[NAME] = shown(name)
        return RedirectResponse(leads, 303)

    @app.get("/")
    def start(
        request: Request,
        who: Annotated[Person, Depends(needs("viewer"))],
        keys: Literal["on", "off", ""] = "",
    ) -> Response:
        """Shows what this person may do; turns single keys off or on for this browser."""
        if keys:
            request.session[KEYS] = keys == "on"
            return RedirectResponse("/", 303)
        return page(request, who, "start.html.j2")

    return app


def _problem(request: Request, status: int, words: str) -> HTMLResponse:
    """Renders words about what went wrong; whoever asks is named if that is known."""
    try:
        who = person(request)
    except HTTPException:
        who = None
    return page(request, who, "problem.html.j2", status, words=visible(words), code=status)


def _inside(path: str) -> str:
    """Returns a path if it is one of the desk, else the first page's: never another site's."""
    inside = path.startswith("/") and not path.startswith(("//", "/\\", "/who"))
    return path if inside and path.isprintable() else "/"


def _key(project: Project) -> str:
    """Reads the key that signs cookies, or makes it; only this account can read it."""
    file = project.room / KEY
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as beside:
            beside.touch(mode=0o600)
            beside.write_text(secrets.token_urlsafe(48), encoding="utf-8")
    return file.read_text(encoding="utf-8")
