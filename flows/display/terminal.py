"""The terminal: a console to which the words of people and shops are words."""

from rich.console import Console


def console() -> Console:
    """Returns a console that reads no markup and no emoji in what it prints."""
    return Console(markup=False, emoji=False, highlight=False)
