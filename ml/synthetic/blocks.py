"""Blocks: the products of one brand, gender and article type, and the pairs an annotator would be shown."""

from typing import NamedTuple

import numpy as np

from ml.synthetic.articles import Article
from ml.synthetic.brands import assortment, brand_name
from ml.synthetic.designs import DISTINCT, Design, difference, invent, sketch, vary
from ml.synthetic.palettes import COLOURS, THEMES, luminance

SIZES = (1, 2, 2, 3, 3, 4, 5)  # colourways of a design
SHADES = 0.8  # share of designs whose colourways are about equally dark
NEGATIVES = 4  # of each product: its most similar products of other designs
LOW = 0.04  # share of pairs whose annotator only guessed
TWIN = 0.06  # designs closer than this make an annotator think twice


class Item(NamedTuple):
    """A product of a block: the number of its design there, and the name of its ground colour."""

    design: int
    colour: str


class PairLabel(NamedTuple):
    """An annotated pair: two places in the block, the label, and how sure its annotator was."""

    left: int
    right: int
    color_variants: int
    confidence: str


class Block(NamedTuple):
    """One brand × gender × article type.

    Attributes:
        designs: all different to the eye.
        theme: the colours that its designs come in.
        items: its products in the catalogue's order.
        pairs: every pair of one design and the hardest others.
    """

    brand: str
    gender: str
    article: Article
    theme: tuple[str, ...]
    designs: list[Design]
    items: list[Item]
    pairs: list[PairLabel]


def make_block(block: int, seed: int) -> Block:
    """The n-th block of a shop; it does not depend on how many products are sold in all."""
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
    """Colourways of each design: 3 to 6 designs, 7 to 14 products, at least one design in three colours."""
    while True:
        sizes = [int(size) for size in random.choice(SIZES, size=int(random.integers(3, 7)))]
        if 7 <= sum(sizes) <= 14 and max(sizes) >= 3:
            return sizes


def _colours(theme: tuple[str, ...], size: int, random: np.random.Generator) -> list[str]:
    """The ground colours of a design: most come in neighbouring shades, the others in any of the theme."""
    if random.random() < SHADES:
        ordered = sorted(theme, key=lambda name: luminance(COLOURS[name]))
        first = int(random.integers(len(theme) - size + 1))
        return ordered[first : first + size]
    return [str(colour) for colour in random.choice(theme, size=size, replace=False)]


def _designs(
    article: Article, theme: tuple[str, ...], count: int, random: np.random.Generator
) -> tuple[list[Design], list[np.ndarray]]:
    """Designs that mostly are near twins of one another, with their sketches."""
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
        """How easily an annotator tells two products apart: design first, then the ground's colour."""
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
