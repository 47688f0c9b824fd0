"""The chain of hashes that binds the events of an audit trail, so that no gap goes unseen.

Each event names the SHA-256 of the events before it that no other event names yet, as a git commit
names its parents: mostly one, and several after two people wrote at once. So an event that was
changed or removed leaves a hash that no event has. The newest event is named by nobody yet; a clone
remembers it (see `flows.registry.trail_memory`). Events from before there was a chain name nothing.
"""

import hashlib
import json
from collections.abc import Iterable

AFTER = "after"  # the fact of an event that names the events before it
MOST = 20  # events that one event names; a tag holds 5,000 characters


def hash_of(text: str) -> str:
    """Returns the SHA-256 of an event's text, in hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def ends_of(texts: Iterable[str]) -> str:
    """Returns what a new event names: the hashes of the events that none names yet.

    Args:
        texts: of the events of a registered model, oldest first, as `note_event` wrote them.

    Returns:
        Hashes with blanks between, oldest first. Of events from before the chain only the newest is
        named. Empty if there is no event.
    """
    texts = list(texts)
    chained = [text for text in texts if _named_by(text) is not None] or texts[-1:]
    named = named_hashes(texts)
    ends = [end for end in map(hash_of, chained) if end not in named]
    return " ".join(ends[-MOST:])


def gaps(texts: Iterable[str]) -> dict[str, str]:
    """Returns each hash that an event names and no event has → the text of that first event.

    Args:
        texts: as of `ends_of`, with the tags that hold no event any more.
    """
    texts = list(texts)
    present = set(map(hash_of, texts))
    found: dict[str, str] = {}
    for text in texts:
        for one in _named_by(text) or ():
            if one not in present:
                found.setdefault(one, text)
    return found


def named_hashes(texts: Iterable[str]) -> set[str]:
    """Returns the hashes that any of these events names."""
    return {one for text in texts for one in _named_by(text) or ()}


def _named_by(text: str) -> list[str] | None:
    """The hashes that an event names; None if it is of before the chain, or unreadable."""
    try:
        names = json.loads(text)[AFTER]
    except (ValueError, TypeError, KeyError):
        return None
    return names.split() if isinstance(names, str) else None
