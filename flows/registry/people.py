"""Who signs: the names of people, when two names are one person's, and MLflow's accounts."""

import getpass
import re
import unicodedata
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Annotated

from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request
from pydantic import Field

from flows.local.git import git
from flows.local.project import Project
from ml.core.errors import UserError, visible

PersonName = Annotated[str, Field(min_length=1, pattern=r"\S")]  # required in a flow's form
CURRENT_USER = "/api/2.0/mlflow/users/current"  # only a server with accounts has it
# Characters that show nothing although Unicode counts them as marks, letters or symbols.
INVISIBLE = (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0)
SELECTORS = ((0x180B, 0x180F), (0xFE00, 0xFE0F), (0xE0000, 0xE0FFF))
# Letters that look like Latin ones, in small or as capitals: Cyrillic, Greek, Armenian, and others.
LOOK_ALIKES = str.maketrans(
    "авеёѕіїјкӏмнорԛстуԝхһԁ" + "αβεζηικμνορτυχ" + "օսհյ" + "ıȷɑɡ01|",
    "abeësiïjklmhopqctywxhd" + "abezhikmnoptyx" + "ouhj" + "ijagoll",
)
LISTED = re.compile(r'\s*(?:"((?:[^"]|"")+)"\s*(?:,|$)|([^,]+),?)')
ONE_WRITING = {"CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO"}  # mixed within one word


def person(
    project: Project, named: str = "", say: Callable[[str], None] = lambda line: None
) -> str:
    """Returns who acts: the given name, otherwise git's user name, otherwise the login name.

    Args:
        named: the name that a person gave; empty if none.
        say: called with a line that tells whose name is taken if none was given.

    Raises:
        UserError: the given name cannot be a person's; see `refusal_of_name`.
    """
    if named:
        refusal = refusal_of_name(named)
        if refusal:
            raise UserError(f"--by {refusal}")
        return shown(named)
    git_name = shown(git(project.root, "config", "--default", "", "--get", "user.name"))
    name, source = (git_name, "git's user.name") if git_name else (getpass.getuser(), "the login")
    say(f"signing as {visible(name)} ({source}); --by NAME signs for another")
    return name


def refusal_of_name(name: str) -> str | None:
    """Returns in words why a text cannot be a person's name, or None if it can."""
    if not shown(name):
        return "needs a name: give one, or leave the option out to use git's user name"
    mixed = next((word for word in shown(name).split() if _mixes(word)), None)
    if mixed:
        return (
            f"needs a name that cannot be taken for another one: '{visible(mixed)}' mixes letters "
            "of two scripts, such as Latin and Cyrillic; write it in one of them"
        )
    return None


def shown(name: str) -> str:
    """Returns a name without invisible characters and superfluous spaces."""
    text = "".join(one for one in name if one.isspace() or not _invisible(one))
    return " ".join(unicodedata.normalize("NFC", text).split())


def folded(name: str) -> str:
    """Returns a name as it is compared: equal for names that people cannot tell apart.

    Case, spaces at the ends, invisible characters, compatible forms of a letter (NFKC) and letters
    that look like Latin ones make no difference.
    """
    text = unicodedata.normalize("NFKC", shown(name)).casefold()
    return shown(unicodedata.normalize("NFKC", text).translate(LOOK_ALIKES))


def listed_names(names: Iterable[str]) -> str:
    """Returns names with ", " between them, as `names_in` reads them: `"Lovelace, Ada", Bo`."""
    return ", ".join(
        '"' + one.replace('"', '""') + '"' if "," in one or one.startswith('"') else one
        for one in names
    )


def names_in(text: str) -> list[str]:
    """Returns the names in a text, with commas between them; one with a comma is in quotes."""
    found = [quoted.replace('""', '"') or plain for quoted, plain in LISTED.findall(text)]
    return [one.strip() for one in found if one.strip()]


def identities(events: list[dict[str, str]]) -> list[str]:
    """Returns who acted in each event: equal texts mean one person.

    The account counts where an event has one. An event without one is by the account that has
    signed another event with the same name.
    """
    accounts = {folded(one["by"]): one["account"] for one in events if one.get("account")}
    return [
        folded(one.get("account") or accounts.get(folded(one["by"]), one["by"])) for one in events
    ]


def account(project: Project) -> dict[str, str]:
    """Returns {"account": the account that MLflow's server knows this process by}.

    It is empty if there is no server, or one without accounts.
    """
    if not project.mlflow_uri.startswith("http"):
        return {}
    creds = get_default_host_creds(project.mlflow_uri)  # type: ignore[no-untyped-call]
    answer = http_request(  # type: ignore[no-untyped-call]
        creds, CURRENT_USER, "GET", raise_on_status=False
    )
    if answer.status_code != HTTPStatus.OK:
        return {}
    return {"account": str(answer.json()["user"]["username"])}


def _invisible(one: str) -> bool:
    """Whether a character shows nothing: controls, formats, fillers and variation selectors."""
    code = ord(one)
    return (
        unicodedata.category(one) in ("Cc", "Cf")
        or code in INVISIBLE
        or any(first <= code <= last for first, last in SELECTORS)
    )


def _mixes(word: str) -> bool:
    """Whether the letters of a word are of several scripts that no writing mixes."""
    letters = [one for one in unicodedata.normalize("NFKC", word) if _is_letter(one)]
    scripts = {unicodedata.name(one, "UNKNOWN").split()[0] for one in letters}
    return len(scripts) > 1 and not scripts <= ONE_WRITING


def _is_letter(one: str) -> bool:
    return unicodedata.category(one) in ("Lu", "Ll", "Lt", "Lo")
