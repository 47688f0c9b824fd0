"""Words of people and shops on Markdown pages: shown as they were written, never run as markup."""

import re

from ml.core.errors import visible

# What is markup inside a line; an underscore within a word is none.
SPECIAL = re.compile(r"([\\`*\[\]|~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))")


def plain(text: object) -> str:
    """Escapes text for one line of Markdown, a cell of a table among others."""
    line = " ".join(visible(str(text)).split())
    escaped = line.replace("&", "&amp;").replace("<", "&lt;")
    return SPECIAL.sub(r"\\\1", escaped)


def code(text: object) -> str:
    """Shows text as inline code, in a cell of a table too."""
    line = " ".join(visible(str(text)).split())
    if "|" in line:  # a table's cell ends there, in code too
        return plain(line)
    fence = "`" * (_longest(line) + 1)
    edge = " " if fence != "`" or line.startswith("`") or line.endswith("`") or not line else ""
    return f"{fence}{edge}{line}{edge}{fence}"


def block(text: object) -> str:
    """Shows text of several lines as it is, in a block of its own."""
    shown = visible(str(text))
    fence = "`" * max(3, _longest(shown) + 1)
    return f"{fence}\n{shown}\n{fence}\n"


def _longest(text: str) -> int:
    """The length of the longest run of backticks."""
    return max(map(len, re.findall("`+", text)), default=0)
