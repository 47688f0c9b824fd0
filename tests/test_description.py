"""The first line of a version's description is its verdict, in words, by the audit trail."""

from conftest import CANDIDATES, PRODUCTION
from registry import NAMES

from flows.registry.description import OWN, headline

SECOND, THIRD = f"models:/{CANDIDATES}/2", f"models:/{CANDIDATES}/3"
SERVED, NEXT = f"models:/{PRODUCTION}/1", f"models:/{PRODUCTION}/2"


def event(what: str, version: str, by: str = "Rita", **facts: str) -> dict[str, str]:
    return {"at": "2026-11-26T04:05:06.789+00:00", "what": what, "version": version, "by": by} | {
        **facts
    }


PASSED = event("decision", SECOND, "gate", verdict="passed")
REFUSED = event("decision", SECOND, "gate", verdict="refused", reasons="No gain: it is −0.1")
PROMOTED = event("promotion", SERVED, candidate=SECOND, replaced="none")
REPLACED = event("promotion", NEXT, candidate=THIRD, replaced="1")
MOVED = event("moved", NEXT, "unknown", replaced="1")
BACK = event("rollback", SERVED, "Rolf", comment="it groups *shoes*", replaced="2")


def test_the_first_line_says_each_verdict_and_what_to_use_instead_of_the_button() -> None:
    for uri, trail, words in (
        (SECOND, [], "**Not decided yet**"),
        (SECOND, [event("decision", THIRD, verdict="passed")], "**Not decided yet**"),
        (SECOND, [REFUSED], "**Refused by the gate** on 2026-11-26 04:05 UTC: No gain: it is −0.1"),
        (SECOND, [REFUSED, PASSED], "**Passed the gate** on 2026-11-26 04:05 UTC, waits"),
        (SECOND, [PASSED], "`variants approve 2 --by NAME"),
        (SECOND, [PASSED, event("approval", SECOND)], "**Approved** by Rita"),
        (SECOND, [PASSED, event("rejection", SECOND, comment="blurs")], "by Rita on 2026-11-26"),
    ):
        line = headline(uri, trail, NAMES)
        assert words in line
        assert "*Promote model* does not ask the gate: use `variants promote 2`, which does" in line
        assert "\n" not in line
        assert OWN.sub("", f"{line}\n\n# Card", count=1) == "# Card"


def test_the_first_line_of_a_production_version_says_whether_it_serves() -> None:
    assert headline(SECOND, [PASSED, PROMOTED], NAMES).startswith("**Promoted** by Rita")
    for uri, moves, words in (
        (NEXT, [PROMOTED], "**Only copied**: it was never the champion"),
        (SERVED, [PROMOTED], f"promoted by Rita from `{SECOND}`"),
        (SERVED, [PROMOTED], "**Serves** since 2026-11-26 04:05 UTC"),
        (SERVED, [PROMOTED, REPLACED], f"**Replaced** by `{NEXT}`"),
        (NEXT, [PROMOTED, REPLACED], "`variants rollback --reason WHY` goes back"),
        (SERVED, [PROMOTED, REPLACED, BACK], "rolled back to by Rolf (it groups \\*shoes\\*)"),
        (NEXT, [PROMOTED, REPLACED, BACK], f"by Rolf (it groups \\*shoes\\*); `{SERVED}` serves"),
        (NEXT, [PROMOTED, MOVED], "**Serves outside of the record**: somebody moved the alias"),
        (SERVED, [PROMOTED, MOVED], f"**Replaced** by `{NEXT}` outside of the record"),
        (NEXT, [PROMOTED, MOVED, BACK], "It served outside of the record"),
        (NEXT, [PROMOTED, REPLACED, BACK], "`variants rollback --to 2 --reason WHY` lets it"),
    ):
        line = headline(uri, [PASSED, *moves], NAMES)
        assert words in line
        assert OWN.sub("", f"{line}\n\n# Card", count=1) == "# Card"


def test_what_people_wrote_themselves_is_no_line_of_ours() -> None:
    for written in ("**Great** model", "# Card\n\n**Refused by the gate** once", "", "Serves well"):
        assert OWN.sub("", written, count=1) == written
