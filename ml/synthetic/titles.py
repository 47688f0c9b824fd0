"""Titles as shops write them; they name the kind of pattern and never the design."""

import numpy as np

from ml.synthetic.articles import Article
from ml.synthetic.patterns import Pattern

KINDS = {
    "plain": ("Solid", "Plain", "Classic", "Essential"),
    "stripes": ("Striped",),
    "vertical": ("Striped", "Pinstripe"),
    "diagonal": ("Striped",),
    "checks": ("Checked", "Check"),
    "dots": ("Dotted", "Spot Print"),
    "floral": ("Floral", "Printed"),
    "motif": ("Printed", "Patterned"),
    "zigzag": ("Patterned", "Geometric"),
    "blocks": ("Colourblocked", "Panelled"),
    "print": ("Printed", "Graphic"),
}
OWNERS = {
    "Men": "Men's",
    "Women": "Women's",
    "Boys": "Boys'",
    "Girls": "Girls'",
    "Unisex": "Unisex",
}
ADDITIONS = (
    '"Weekend" Edition',
    "(Limited)",
    "– New In",
    "100% Cotton",
    "Regular Fit",
    "<Web Exclusive>",
    "& Gift Bag",
    "Été",
)
HARD_GOODS = ("Handbags", "Backpacks", "Casual Shoes", "Heels", "Caps")


def title(
    brand: str,
    gender: str,
    article: Article,
    colour: str,
    pattern: Pattern,
    random: np.random.Generator,
) -> str:
    """Draws a random title of one product; `colour` is the name of its ground colour."""
    words = [brand, OWNERS[gender], colour, str(random.choice(KINDS[pattern.kind])), article.noun]
    if random.random() < 0.2:
        addition = str(random.choice(ADDITIONS))
        if article.name not in HARD_GOODS or addition not in ("100% Cotton", "Regular Fit"):
            words.append(addition)
    return " ".join(words)
