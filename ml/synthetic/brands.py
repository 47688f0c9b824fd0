"""Invented brands: their names, what each sells first, and how it photographs."""

import numpy as np

from ml.synthetic.articles import ARTICLES, Article
from ml.synthetic.photo import Look

# The split of a brand is a hash of its name; in this order the first seven fill train, dev and test
# with two each.
BRANDS = (
    "Harbour & Oak", "Northbeam", "Tom & Co <Studio>", "Lindqvist", "Wilder & Finch", "Maison Ferrand", "Casa Lumo",
    "Pebble Row", "Kestrel Works", "Juno Vale", "Copperline", "Tamarind Lane", "Otto Brandt", "Saltmarsh",
    "Golden Hour", "Nine Elms Supply", "Fjordline", "Solenne", "Rook & Rye", "Vesper", "Dune & Dapple",
    "Papaya Beach", "Windrose", "Nordvik",
)  # fmt: skip
BACKDROPS = ((238, 238, 240), (231, 233, 236), (240, 236, 229), (233, 238, 241), (241, 241, 241))


def brand_name(block: int) -> str:
    """The brand of the n-th block; once a brand has sold everything there is, its next line has a number."""
    turn, place = divmod(block, len(BRANDS))
    line = turn // len(_range_of(place))
    return BRANDS[place] + (f" {line + 1}" if line else "")


def assortment(block: int, seed: int) -> tuple[Article, str]:
    """Article and gender of the n-th block: no brand has the same twice, and neighbours sell different things."""
    turn, place = divmod(block, len(BRANDS))
    sells = _range_of(place + seed)
    return sells[turn % len(sells)]


def look(block: int, seed: int) -> Look:
    """How the n-th block's brand photographs: mostly on white, some on a light near-uniform colour."""
    random = np.random.default_rng([seed, 4, block % len(BRANDS)])
    light = float(random.uniform(205, 250))
    if random.random() < 0.65:
        return Look((255.0, 255.0, 255.0), 0.0, light)
    red, green, blue = BACKDROPS[int(random.integers(len(BACKDROPS)))]
    return Look((float(red), float(green), float(blue)), float(random.uniform(0.02, 0.06)), light)


def _range_of(place: int) -> list[tuple[Article, str]]:
    """All articles and genders, starting elsewhere for each brand; every article comes once before any comes twice."""
    most = max(len(article.genders) for article in ARTICLES)
    shifted = [ARTICLES[(place * 5 + step) % len(ARTICLES)] for step in range(len(ARTICLES))]
    return [
        (article, article.genders[(place + again) % len(article.genders)])
        for again in range(most)
        for article in shifted
        if again < len(article.genders)
    ]
