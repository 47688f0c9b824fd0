"""Two names that people cannot tell apart are one person's, and an account counts more."""

import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from flows.local.git import git
from flows.local.project import Project
from flows.registry.people import (
    INVISIBLE,
    LOOK_ALIKES,
    SELECTORS,
    folded,
    identities,
    person,
    refusal_of_name,
    shown,
)
from ml.core.errors import UserError

NOTHING = [chr(code) for code in (*INVISIBLE, *(low for low, _ in SELECTORS), 0x200B, 0xAD, 0x202E)]
ALIKE: dict[str, list[str]] = {}
for code, latin in LOOK_ALIKES.items():
    ALIKE.setdefault(chr(latin), []).append(chr(code))
LETTERS = "abcdefghijklmnopqrstuvwxyz"
NAMES = st.text(LETTERS + LETTERS.upper() + " '-éß", min_size=1, max_size=12).filter(str.strip)


@st.composite
def disguised(draw: st.DrawFn) -> tuple[str, str]:
    """A name, and the same name written so that people see no other one."""
    name = draw(NAMES)
    parts = [draw(st.sampled_from([" ", "\t", "\u3000", ""]))]
    for one in name:
        forms = [one, one.lower(), one.upper(), unicodedata.normalize("NFD", one)]
        if one.isascii() and one.isalpha():
            forms.append(chr(ord(one) + 0xFEE0))  # full width
        forms += ALIKE.get(one.lower(), [])
        parts += [draw(st.sampled_from(["", *NOTHING])), draw(st.sampled_from(forms))]
    return name, "".join(parts) + draw(st.sampled_from(["", " ", "\u00a0"]))


@given(disguised())
def test_a_name_in_disguise_is_the_same_person(names: tuple[str, str]) -> None:
    assert folded(names[0]) == folded(names[1])
    assert folded(folded(names[1])) == folded(names[1])


@given(NAMES, NAMES)
def test_names_that_people_can_tell_apart_are_two_persons(one: str, other: str) -> None:
    assume(" ".join(one.casefold().split()) != " ".join(other.casefold().split()))
    assert folded(one) != folded(other)


@pytest.mark.parametrize(
    "name", ["ada ", "\u0410da", "A\u200bda", "\uff21\uff24\uff21", "ADA\u2800"]
)
def test_ada_is_one_person_however_she_is_written(name: str) -> None:
    assert folded(name) == folded("Ada")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (" ", "needs a name"),
        ("\u200b\u2800", "needs a name"),
        ("\u0410da Lovelace", "mixes letters of two scripts"),
        ("Rita \u13a1ita", "mixes"),
        ("山田たろう", None),
        ("Мария-Анна", None),
        ("Ada Ἀθηνᾶ", None),
        ("O'Neill", None),
    ],
)
def test_a_name_that_hides_another_one_is_refused(name: str, words: str | None) -> None:
    found = refusal_of_name(name)
    assert found is None if words is None else words in str(found)


def test_the_account_counts_and_the_name_where_there_is_none() -> None:
    found = identities(
        [
            {"by": "Ada", "account": "one"},
            {"by": "Rita", "account": "one"},
            {"by": "Rita", "account": "two"},
            {"by": "Rolf"},
            {"by": "r\u200bolf "},
        ]
    )
    assert found[0] == found[1]
    assert found[3] == found[4]
    assert len(set(found)) == 3


def test_an_event_without_an_account_is_by_the_account_of_its_name() -> None:
    found = identities([{"by": "Rita", "account": "one"}, {"by": "rita"}])
    assert found[0] == found[1]


def test_without_a_name_the_line_tells_whose_name_is_taken(empty_project: Project) -> None:
    git(empty_project.root, "config", "user.name", "Ada Lovelace")
    said: list[str] = []
    assert person(empty_project, "", said.append) == "Ada Lovelace"
    assert said == ["signing as Ada Lovelace (git's user.name); --by NAME signs for another"]
    assert person(empty_project, "Ri\u200bta ", said.append) == "Rita" == shown("Rita")
    assert len(said) == 1
    with pytest.raises(UserError, match="two scripts"):
        person(empty_project, "\u0410da")
