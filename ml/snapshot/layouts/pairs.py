"""Makes annotated pairs from the design families that a layout states.

Nobody has looked at these pairs: a family may also hold a design in another print or fit, and one
design may have two families. So their confidence is medium.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator

from ml.snapshot.layouts.base import Product

PairRow = tuple[str, str, int, str, str]
COLUMNS = ("left", "right", "color_variants", "confidence", "annotator")
CONFIDENCE = "medium"
WIDEST = 20  # further products of its family with which a product makes pairs
NEIGHBOURS = 10  # families on each side from which the negatives of a family come


def make_pairs(products: Iterable[Product], annotator: str) -> list[PairRow]:
    """Makes positive pairs within families and as many negative ones, at most, between them.

    Two products of one family and block are variants unless both have the same colour. Each family
    makes as many negative pairs as positive ones, if it can, with families of its block. The
    families that are next to it in the order of a hash are taken, so that a family added later
    changes few pairs. It is the hash that also splits families into train, dev and test: most pairs
    lie within one split.

    Args:
        products: those without a family are in no pair.
        annotator: for the pairs' column of this name.

    Returns:
        Rows with the values of `COLUMNS`, sorted.
    """
    blocks: dict[object, dict[str, list[Product]]] = defaultdict(lambda: defaultdict(list))
    for product in products:
        if product.design_family is not None:
            blocks[product.block][product.design_family].append(product)
    labels: dict[tuple[str, str], int] = {}
    for families in blocks.values():
        names = sorted(families, key=_place)
        members = [sorted(families[name], key=lambda one: one.product_id) for name in names]
        for place, family in enumerate(members):
            positive = list(_variants(family))
            labels |= dict.fromkeys(positive, 1)
            wanted = len(positive)
            for pair in _others(members, place):
                if not wanted:
                    break
                if pair not in labels:
                    labels[pair] = 0
                    wanted -= 1
    return [(*pair, label, CONFIDENCE, annotator) for pair, label in sorted(labels.items())]


def _place(family: str) -> str:
    return hashlib.sha256(f"family\x1f{family}".encode()).hexdigest()


def _variants(family: list[Product]) -> Iterator[tuple[str, str]]:
    for place, left in enumerate(family):
        for right in family[place + 1 : place + 1 + WIDEST]:
            colours = [(one.base_colour or "").casefold() for one in (left, right)]
            if colours[0] != colours[1] or not colours[0]:
                yield _ids(left, right)


def _others(members: list[list[Product]], place: int) -> Iterator[tuple[str, str]]:
    """The pairs of a family with its neighbours, next ones first; no product is in many at once."""
    for step in range(1, NEIGHBOURS + 1):
        for other in (place + step, place - step):
            if 0 <= other < len(members):
                for left, right in zip(members[place], members[other], strict=False):
                    yield _ids(left, right)


def _ids(left: Product, right: Product) -> tuple[str, str]:
    first, second = sorted((left.product_id, right.product_id))
    return first, second
