"""Designs, and the visible difference between two of them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ml.synthetic.articles import Article
from ml.synthetic.camera import NEUTRAL
from ml.synthetic.drawing import Drawing
from ml.synthetic.palettes import Scheme, draw_scheme
from ml.synthetic.patterns import DETAILS, PITCHES, Pattern
from ml.synthetic.raster import rasterise

SKETCH = 112  # side, in pixels, of the colourless sketches by which designs are compared
DISTINCT = 0.035  # least difference between two designs of one block, which a person can see


@dataclass(frozen=True)
class Design:
    """Everything of a product but its colour; products of one design are colour variants."""

    article: Article
    cut: Mapping[str, str]
    pattern: Pattern
    scheme: Scheme

    def draw(self, limb: float) -> Drawing:
        """Draws the product; `limb` −1 … 1 moves its loose parts."""
        return self.article.draw({**self.article.fixed, **self.cut}, limb)


def invent(article: Article, theme: tuple[str, ...], random: np.random.Generator) -> Design:
    """Draws a random design of an article; `theme` names the colours of its block."""
    cut = {option: str(random.choice(choices)) for option, choices in article.cuts.items()}
    return Design(
        article, cut, _pattern(_kind(article, random), random), draw_scheme(random, theme)
    )


def vary(design: Design, random: np.random.Generator) -> Design:
    """Makes a near twin of a design, which differs in one to three choices.

    A choice is, for instance, the rhythm of the stripes, the print, the trim or the neckline.
    """
    for _ in range(int(random.integers(1, 4))):
        if design.pattern.kind != "plain" and random.random() < 0.55:
            design = replace(design, pattern=_nearby(design.pattern, random))
        elif random.random() < 0.12:
            design = replace(design, pattern=_pattern(_kind(design.article, random), random))
        else:
            option = str(random.choice(list(design.article.cuts)))
            choices = [
                choice for choice in design.article.cuts[option] if choice != design.cut[option]
            ]
            design = replace(design, cut={**design.cut, option: str(random.choice(choices))})
    return design


def sketch(design: Design) -> np.ndarray:
    """Draws a design without colour or pose.

    Returns:
        float32 (2, SKETCH, SKETCH): the roles divided by 3, and the seams, −1 … 1.
    """
    layers = rasterise(design.draw(0.0), design.pattern, NEUTRAL, SKETCH)
    roles = np.asarray(layers.roles, np.float32) / 3
    return np.stack([roles, np.asarray(layers.seams, np.float32) / 128 - 1])


def difference(left: np.ndarray, right: np.ndarray) -> float:
    """The share of the product that differs between two sketches, about 0 … 1."""
    product = max(1, int(((left[0] > 0) | (right[0] > 0)).sum()))
    roles, seams = np.abs(left - right)
    return float((np.minimum(roles, 1).sum() + 0.5 * seams.sum()) / product)


def _kind(article: Article, random: np.random.Generator) -> str:
    weights = np.array(list(article.kinds.values()), float)
    return str(random.choice(list(article.kinds), p=weights / weights.sum()))


def _pattern(kind: str, random: np.random.Generator) -> Pattern:
    return Pattern(kind, str(random.choice(DETAILS[kind])), float(random.choice(PITCHES[kind])))


def _nearby(pattern: Pattern, random: np.random.Generator) -> Pattern:
    """The same kind of pattern in another rhythm or at another pitch."""
    details = [detail for detail in DETAILS[pattern.kind] if detail != pattern.detail]
    pitches = [pitch for pitch in PITCHES[pattern.kind] if pitch != pattern.pitch]
    if pitches and random.random() < 0.4:
        return pattern._replace(pitch=float(random.choice(pitches)))
    return pattern._replace(detail=str(random.choice(details)))
