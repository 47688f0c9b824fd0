"""Why a URL cannot be fetched."""


class NotFetched(Exception):
    """A URL has no content for us; the message gives the reason, without the URL.

    Attributes:
        status: the HTTP status that is the reason, or None if there is another one.
    """

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status
