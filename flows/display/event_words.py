"""The events of the audit trail in words, for terminals and pages."""

from typing import Any

KINDS = {  # kind of event → what its version is a version of
    "decision": "candidate",
    "approval": "candidate",
    "rejection": "candidate",
    "promotion": "version",
    "rollback": "version",
    "moved": "version",
}
HOW = {"promotion": "promoted it", "rollback": "rolled back to it"}  # kind of event → what was done


def about(event: dict[str, Any]) -> str:
    """Returns what an event is about, such as "candidate 7"."""
    kind = KINDS.get(event["what"])
    return f"{kind} {number(event['version'])}" if kind else str(event["version"])


def details(event: dict[str, Any]) -> list[str]:
    """Returns what an event says beside who did what, one fact a line."""
    facts = {
        "verdict": "{}",
        "champion": "compared with version {}",
        "gain": "gain {}",
        "impact": "moves {}",
        "reasons": "{}",
        "candidate": "from candidate {}",
        "replaced": "instead of version {}",
        "approval": "{}",
        "comment": "{}",
    }
    numbers = ("champion", "candidate", "replaced")
    said = {name: event[name] for name in facts if event.get(name, "none") != "none"}
    return [
        facts[name].format(number(words) if name in numbers else words)
        for name, words in said.items()
        if words
    ]


def serves(serving: dict[str, Any] | None) -> str:
    """Says what serves since when, and by whom.

    Args:
        serving: as in the result of `flows.status.status`.
    """
    if serving is None:
        return "Nothing serves yet."
    words = f"{serving['model']} serves"
    words += f" since {minute(serving['since'])} UTC" if serving["since"] else ""
    if serving["by"]:
        words += f"; {serving['by']} {HOW.get(serving['how'], 'moved the alias to it')}"
    if serving["value"] is not None:
        words += f". Its {serving['metric']} on test is {serving['value']:.3f}"
    return f"{words}."


def minute(at: str) -> str:
    """Returns a time of the registry (ISO 8601) up to its minute."""
    return at[:16].replace("T", " ")


def number(uri: str) -> str:
    """Returns the number of a version's URI, or the word for no version."""
    return uri.rpartition("/")[2]
