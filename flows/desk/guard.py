"""What every request meets before a page: limits, the session's token, and headers."""

import secrets
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl

from fastapi import HTTPException, Request, Response
from fastapi.responses import PlainTextResponse
from limits import RateLimitItem
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from flows.desk.people import named
from flows.desk.settings import Settings
from flows.local.listening import length_refusal
from ml.snapshot.folding import CONTROLS

TOKEN = "token"
READS = ("GET", "HEAD")
FIELDS = 500  # of a form, at most
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
NOT_KEPT = {"Cache-Control": "no-store"}
ASKED_AGAIN = {"Cache-Control": "no-cache"}  # kept, if the server says that it is still the same


class Guard:
    """Refuses what is too large or too often, and sets headers; a middleware.

    A response's own headers stay, so that a route may ask for a stricter policy; pages are not
    kept by browsers unless a route says so.
    """

    def __init__(self, settings: Settings, rate: RateLimitItem) -> None:
        self.settings = settings
        self.rate = rate
        self.limiter = FixedWindowRateLimiter(MemoryStorage())

    async def __call__(
        self, request: Request, answer: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        """Answers a request, or refuses it."""
        response = self._refusal(request) or await answer(request)
        kept = ASKED_AGAIN if request.url.path.startswith("/static/") else NOT_KEPT
        for name, value in (HEADERS | kept).items():
            response.headers.setdefault(name, value)
        return response

    def _refusal(self, request: Request) -> Response | None:
        if request.method not in READS:
            words = length_refusal(request.headers, self.settings.body_bytes)
            if words:
                return PlainTextResponse(words, 413)
        try:
            who = named(request)
        except HTTPException:  # whoever it is; the page says why
            who = ""
        address = request.client.host if request.client else ""
        if not self.limiter.hit(self.rate, who or address):
            words = f"too many requests: at most {self.settings.rate}; wait a moment"
            return PlainTextResponse(words, 429)
        return None


def token_of(request: Request) -> str:
    """Returns the token of the session, which each of its forms sends back."""
    return str(request.session.setdefault(TOKEN, secrets.token_urlsafe(24)))


async def check_form(request: Request) -> None:
    """Reads the form of a request that changes something; a dependency of all routes.

    Raises:
        HTTPException: 403: the form has another token than the session, as one of another site
            would; 400: it is no form.
    """
    if request.method in READS:
        return
    try:
        text = (await request.body()).decode()
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=FIELDS)
        pairs = [(key, value.translate(CONTROLS)) for key, value in pairs]
    except (UnicodeDecodeError, ValueError) as error:
        raise HTTPException(400, "this is no form of the desk") from error
    fields = dict(pairs)
    sent, kept = fields.pop(TOKEN, ""), request.session.get(TOKEN, "")
    if not kept or not secrets.compare_digest(sent.encode(), kept.encode()):
        raise HTTPException(
            403, "this form is of another session: nothing was changed; load the page again"
        )
    request.state.form = fields
    request.state.fields = [(key, value) for key, value in pairs if key != TOKEN]


def form(request: Request) -> dict[str, str]:
    """Returns the fields of the form that was sent; of a name that came twice, the last value."""
    return dict(request.state.form)


def values(request: Request, name: str) -> list[str]:
    """Returns all values of a field of the form that was sent, such as those of checkboxes."""
    return [value for key, value in request.state.fields if key == name]
