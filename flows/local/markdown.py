"""Words of people and shops on Markdown pages: shown as they were written, never run as markup."""

import re

from ml.core.errors import visible

# What is markup inside a line; an underscore within a word is none.
SPECIAL = re.compile(r"([\\`*\[\]|~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))")
# What makes a heading, a list, a quotation or a rule of the line that it begins.
LEADING = re.compile(r"^(\d*)([#+\-=>.)])")
# What renderers make a link of though nobody marked it as one; they undo escapes before.
ADDRESS = re.compile(r"//|www\.|\S@[\w-]+\.[\w-]", re.IGNORECASE)


def plain(text: object) -> str:
    """Escapes text for one line of Markdown, a cell of a table among others.

    A word with the address of a page or of a mailbox is shown as inline code: there no renderer
    makes a link of it.
    """
    line = " ".join(visible(str(text)).split())
    return LEADING.sub(r"\1\\\2", " ".join(map(_word, line.split(" "))))


def code(text: object) -> str:
    """Shows text as inline code, in a cell of a table too."""
    line = " ".join(visible(str(text)).split())
    if "|" in line:  # a table's cell ends there, in code too
        return plain(line)
    return _inline(line)


def block(text: object) -> str:
    """Shows text of several lines as it is, in a block of its own."""
    shown = visible(str(text))
    fence = "`" * max(3, _longest(shown) + 1)
    return f"{fence}\n{shown}\n{fence}\n"


def _word(word: str) -> str:
    """Escapes what stands between two spaces; its parts between bars are no parts of one code."""
    return r"\|".join(
        _inline(part)
        if ADDRESS.search(part)
        else SPECIAL.sub(r"\\\1", part.replace("&", "&amp;").replace("<", "&lt;"))
        for part in word.split("|")
    )


def _inline(line: str) -> str:
    fence = "`" * (_longest(line) + 1)
    edge = " " if fence != "`" or line.startswith("`") or line.endswith("`") or not line else ""
    return f"{fence}{edge}{line}{edge}{fence}"


def _longest(text: str) -> int:
    """The length of the longest run of backticks."""
    return max(map(len, re.findall("`+", text)), default=0)
