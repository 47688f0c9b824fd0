"""The contract of a layout: it reads the tables of known public data as products of a shop."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from ml.core.errors import UserError
from ml.snapshot.folding import fold
from ml.snapshot.layouts import LAYOUTS

Log = Callable[[str], None]


@dataclass(frozen=True)
class Picture:
    """A picture of a product.

    Attributes:
        image: its path below the layout's folder of pictures, or its URL.
        role: main, side, back, detail or worn, or "" if the data do not say.
    """

    image: str
    role: str = ""


@dataclass(frozen=True)
class Product:
    """A product, which has one colour; its sizes are no products of their own.

    Attributes:
        product_id: unique in the shop.
        pictures: the first is the one that the shop shows first.
        brand, gender, article_type, title, base_colour: as in the public data format; None for what
            the data do not say.
        design_family: the key that all colours of a design share, or None if the data do not say
            which products are variants of this one.
        more: further columns of the catalogue.
    """

    product_id: str
    pictures: tuple[Picture, ...]
    brand: str | None = None
    gender: str | None = None
    article_type: str | None = None
    title: str | None = None
    base_colour: str | None = None
    design_family: str | None = None
    more: dict[str, str | None] = field(default_factory=dict)

    @property
    def block(self) -> tuple[str | None, str | None, str | None]:
        """Brand, gender and article type."""
        return self.brand, self.gender, self.article_type


@dataclass(frozen=True)
class Layout:
    """A layout of public data.

    Attributes:
        read: reads the products below a folder, or of a file, in the order of the data. It logs
            what it had to guess or to mend, and raises UserError if a file is missing or broken.
            It does not look at pictures.
        pictures: the folder below the source that holds the pictures, or "" if they are URLs.
    """

    read: Callable[[Path, Log], Iterable[Product]]
    pictures: str = ""


def load_layout(name: str) -> Layout:
    """Returns the layout of this name.

    Raises:
        UserError: there is none; the message lists all.
    """
    if name not in LAYOUTS:
        listed = "\n".join(f"  {known}: {words}" for known, words in LAYOUTS.items())
        raise UserError(f"there is no layout '{name}'; there are\n{listed}")
    layout: Layout = import_module(f"{__package__}.{name.replace('-', '_')}").LAYOUT
    return layout


def text(value: object) -> str | None:
    """Returns a value as it stands in a catalogue: folded, and None if it is empty or no text.

    Half characters (lone surrogates), which JSON can hold, become U+FFFD; NUL is left out.
    """
    if not isinstance(value, str):
        return None
    whole = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return fold(whole.replace("\0", "")) or None
