"""The error that a user can mend, and how words of people and shops are shown."""

from ml.core.credentials import without_credentials


class UserError(Exception):
    """Bad input: the message says what is wrong, where, and what to do.

    Commands print it without a traceback and end with exit code 1. Libraries' words in it may quote
    a URL, so credentials are taken out of it before anybody can store or show it.
    """

    def __init__(self, message: str) -> None:
        super().__init__(without_credentials(message))


def visible(text: str) -> str:
    r"""Replaces control and invisible characters by escapes such as \x1b: a terminal runs them.

    Line ends and tabs stay.
    """
    return "".join(
        one if one.isprintable() or one in "\n\t" else one.encode("unicode_escape").decode()
        for one in text
    )
