"""Who asks: by the proxy's header, or by a name that a signed cookie keeps; and what they may."""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from fastapi import Depends, HTTPException, Request

from flows.desk.roles import Role
from flows.desk.settings import Settings
from flows.registry.people import refusal_of_name, shown

NAME = "name"  # in the session's cookie


@dataclass(frozen=True)
class Person:
    """Somebody at the desk.

    Attributes:
        name: as it signs.
        roles: what this person may do.
    """

    name: str
    roles: frozenset[Role]


def named(request: Request) -> str:
    """Returns the name that the proxy's header gives, else the session's cookie; "" if none does.

    Raises:
        HTTPException: 401: the header came twice, or is no UTF-8, so that nobody knows who asks.
    """
    settings: Settings = request.app.state.settings
    if not settings.user_header:
        return str(request.session.get(NAME, ""))
    sent = request.headers.getlist(settings.user_header)
    try:
        (name,) = sent or [""]
        return name.encode("latin-1").decode()  # as which Starlette reads bytes
    except ValueError as error:
        words = f"the header {settings.user_header} must come once, in UTF-8"
        raise HTTPException(401, f"{words}: correct the proxy in front of this desk") from error


def person(request: Request) -> Person:
    """Returns who asks; a dependency of routes.

    Raises:
        HTTPException: nobody is named (303 to the page that asks for a name, or 401), or the name
            cannot be a person's (401).
    """
    settings: Settings = request.app.state.settings
    name = named(request)
    if settings.user_header:
        if not shown(name):
            words = f"the proxy in front of this desk must send the header {settings.user_header}"
            raise HTTPException(401, words)
        refusal = refusal_of_name(name)
        if refusal:
            raise HTTPException(401, f"the header {settings.user_header} {refusal}")
    elif not name:
        if request.method in ("GET", "HEAD"):
            here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            raise HTTPException(303, headers={"Location": f"/who?next={quote(here)}"})
        raise HTTPException(401, "say who you are first: open the desk's first page")
    return Person(shown(name), settings.roles.of(name))


def needs(role: Role) -> Callable[..., Person]:
    """Returns a dependency that lets in those who have a role, and gives the person.

    Raises:
        HTTPException: as `person`, or 403: the person lacks the role.
    """

    def lets_in(found: Person = Depends(person)) -> Person:
        if role not in found.roles:
            raise HTTPException(
                403,
                f"{found.name} lacks the role '{role}': whoever runs this desk gives it in the "
                "file of roles",
            )
        return found

    return lets_in
