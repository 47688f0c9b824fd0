"""Blocks: products of one brand, gender and article type, and the pairs shown to an annotator."""

from typing import NamedTuple

import numpy as np

from ml.synthetic.articles import Article
from ml.synthetic.brands import assortment, brand_name
from ml.synthetic.designs import DISTINCT, Design, difference, invent, sketch, vary
from ml.synthetic.palettes import COLOURS, THEMES, luminance

SIZES = (1, 2, 2, 3, 3, 4, 5)  # numbers of colourways of a design, equally likely
SHADES = 0.8  # share of designs whose colourways are about equally dark
NEGATIVES = 4  # most similar products of other designs that each product is paired with
LOW = 0.04  # share of pairs whose annotator only guessed
TWIN = 0.06  # difference of two designs below which an annotator is often unsure


class Item(NamedTuple):
    """A product of a block: the index of its design, and the name of its ground colour."""

    design: int
    colour: str


class PairLabel(NamedTuple):
    """An annotated pair: two indices of products of the block, the label, and the confidence."""

    left: int
    right: int
    color_variants: int
    confidence: str


class Block(NamedTuple):
    """One brand × gender × article type.

    Attributes:
        theme: the names of the colours that its designs are sold in.
        designs: its designs; any two differ by `DISTINCT` or more.
        items: its products in the order of the catalogue.
        pairs: all pairs of products of one design, and the hardest pairs of different designs.
    """

    brand: str
    gender: str
    article: Article
    theme: tuple[str, ...]
    designs: list[Design]
    items: list[Item]
    pairs: list[PairLabel]


def make_block(block: int, seed: int) -> Block:
    """Makes a block of a shop; it does not depend on the number of products of the shop.

    Args:
        block: 0-based index of the block.
        seed: the seed of the shop, at least 0.
    """
    random = np.random.default_rng([seed, 1, block])
    article, gender = assortment(block, seed)
    theme = THEMES[int(random.integers(len(THEMES)))]
    sizes = _sizes(random)
    designs, sketches = _designs(article, theme, len(sizes), random)
    items = [
        Item(number, colour)
        for number, size in enumerate(sizes)
        for colour in _colours(theme, size, random)
    ]
    items = [items[place] for place in random.permutation(len(items))]
    return Block(
        brand_name(block), gender, article, theme, designs, items, _pairs(items, sketches, random)
    )


def _sizes(random: np.random.Generator) -> list[int]:
    """The numbers of colourways of 3 to 6 designs.

    They add up to 7 to 14 products, and at least one design has three colourways.
    """
    while True:
        sizes = [int(size) for size in random.choice(SIZES, size=int(random.integers(3, 7)))]
        if 7 <= sum(sizes) <= 14 and max(sizes) >= 3:
            return sizes


def _colours(theme: tuple[str, ...], size: int, random: np.random.Generator) -> list[str]:
    """The ground colours of a design.

    Most designs come in neighbouring shades of the theme, the others in any of its colours.
    """
    if random.random() < SHADES:
        ordered = sorted(theme, key=lambda name: luminance(COLOURS[name]))
        first = int(random.integers(len(theme) - size + 1))
        return ordered[first : first + size]
    return [str(colour) for colour in random.choice(theme, size=size, replace=False)]


def _designs(
    article: Article, theme: tuple[str, ...], count: int, random: np.random.Generator
) -> tuple[list[Design], list[np.ndarray]]:
    """Designs with their sketches; about half of the designs are near twins of another one."""
    designs = [invent(article, theme, random)]
    sketches = [sketch(designs[0])]
    while len(designs) < count:
        parent = designs[int(random.integers(len(designs)))]
        candidate = (
            vary(parent, random) if random.random() < 0.5 else invent(article, theme, random)
        )
        drawn = sketch(candidate)
        if min(difference(drawn, other) for other in sketches) >= DISTINCT:
            designs.append(candidate)
            sketches.append(drawn)
    return designs, sketches


def _pairs(
    items: list[Item], sketches: list[np.ndarray], random: np.random.Generator
) -> list[PairLabel]:
    places = range(len(items))
    apart = {
        (a, b): difference(sketches[a], sketches[b])
        for a in range(len(sketches))
        for b in range(len(sketches))
    }

    def strangeness(place: int, other: int) -> float:
        """How easily an annotator tells two products apart: by design first, then by colour."""
        colours = np.subtract(COLOURS[items[place].colour], COLOURS[items[other].colour])
        return apart[items[place].design, items[other].design] + 0.0004 * float(
            np.abs(colours).sum()
        )

    chosen = {
        (a, b) for a in places for b in places if a < b and items[a].design == items[b].design
    }
    for place in places:
        others = [other for other in places if items[other].design != items[place].design]
        nearest = sorted(others, key=lambda other: strangeness(place, other))[:NEGATIVES]
        chosen |= {(min(place, other), max(place, other)) for other in nearest}
    pairs = []
    for left, right in sorted(chosen):
        same = items[left].design == items[right].design
        guess, luck = random.random(), int(random.integers(2))
        twins = not same and apart[items[left].design, items[right].design] < TWIN
        if guess < LOW:
            pairs.append(PairLabel(left, right, luck, "low"))
        else:
            unsure = guess > (0.6 if twins else 0.88)
            pairs.append(PairLabel(left, right, int(same), "medium" if unsure else "high"))
    return pairs
