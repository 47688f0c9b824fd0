"""Invented brands: their names, the order of what each sells, and the look of its photographs."""

import numpy as np

from ml.synthetic.articles import ARTICLES, Article
from ml.synthetic.photo import Look

# A hash of a brand's name decides its split. In this order, the first seven brands give train, dev
# and test at least two brands each.
BRANDS = (
    "Harbour & Oak", "Northbeam", "Tom & Co <Studio>", "Lindqvist", "Wilder & Finch",
    "Maison Ferrand", "Casa Lumo", "Pebble Row", "Kestrel Works", "Juno Vale", "Copperline",
    "Tamarind Lane", "Otto Brandt", "Saltmarsh", "Golden Hour", "Nine Elms Supply", "Fjordline",
    "Solenne", "Rook & Rye", "Vesper", "Dune & Dapple", "Papaya Beach", "Windrose", "Nordvik",
)  # fmt: skip
BACKDROPS = ((238, 238, 240), (231, 233, 236), (240, 236, 229), (233, 238, 241), (241, 241, 241))


def brand_name(block: int) -> str:
    """The brand of a block; `block` is the 0-based index of the block.

    A brand that has sold every article to every gender starts a new line, whose name has a number.
    """
    turn, place = divmod(block, len(BRANDS))
    line = turn // len(_range_of(place))
    return BRANDS[place] + (f" {line + 1}" if line else "")


def assortment(block: int, seed: int) -> tuple[Article, str]:
    """The article and the gender of a block.

    No brand has the same article and gender twice, and neighbouring brands sell different articles.

    Args:
        block: 0-based index of the block.
        seed: the seed of the shop.
    """
    turn, place = divmod(block, len(BRANDS))
    sells = _range_of(place + seed)
    return sells[turn % len(sells)]


def look(block: int, seed: int) -> Look:
    """The look of a brand's photographs: mostly white, some backdrops are a light colour.

    Args:
        block: 0-based index of the block.
        seed: the seed of the shop.
    """
    random = np.random.default_rng([seed, 4, block % len(BRANDS)])
    light = float(random.uniform(205, 250))
    if random.random() < 0.65:
        return Look((255.0, 255.0, 255.0), 0.0, light)
    red, green, blue = BACKDROPS[int(random.integers(len(BACKDROPS)))]
    return Look((float(red), float(green), float(blue)), float(random.uniform(0.02, 0.06)), light)


def _range_of(place: int) -> list[tuple[Article, str]]:
    """All articles and genders in the order in which the brand at `place` sells them.

    The order starts at another article for each brand. Every article comes once before any comes
    twice.
    """
    most = max(len(article.genders) for article in ARTICLES)
    shifted = [ARTICLES[(place * 5 + step) % len(ARTICLES)] for step in range(len(ARTICLES))]
    return [
        (article, article.genders[(place + again) % len(article.genders)])
        for again in range(most)
        for article in shifted
        if again < len(article.genders)
    ]
