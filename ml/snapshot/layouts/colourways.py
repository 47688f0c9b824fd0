"""Joins what shops sell in several sizes: the sizes of one colour of a design are one product."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from ml.snapshot.layouts.base import Product

OFFERS = "offers"  # the catalogue's column with the ids that a product stands for


@dataclass(frozen=True)
class Offer:
    """A row of a shop's export: a product in one size.

    Attributes:
        identity: the shop's own id of the row.
        group: the key that all sizes and colours of a design share, or None if the shop has none.
        product: what the row says; its product_id and design_family are not looked at.
    """

    identity: str
    group: str | None
    product: Product


def join_sizes(offers: Iterable[Offer]) -> list[Product]:
    """Makes one product of all offers of one group and colour.

    Its id is the group's key and the colour, joined by "-", so that it stays when a size is sold
    out. An offer without a group is a product of its own, of which no variants are known. What the
    first offer of a product leaves blank is taken from a later one, and the pictures are those of
    all.

    Returns:
        The products in the order of their first offers. The column "offers" holds the ids of each.
    """
    joined: dict[Hashable, list[Offer]] = {}
    for offer in offers:
        colour = (offer.product.base_colour or "").casefold()
        key = (offer.group, colour) if offer.group is not None else (None, offer.identity)
        joined.setdefault(key, []).append(offer)
    return [_product(same) for same in joined.values()]


def _product(offers: list[Offer]) -> Product:
    first = offers[0]
    parts = [one.product for one in offers]
    colour = first.product.base_colour
    identity = first.identity
    if first.group is not None:
        identity = f"{first.group}-{colour}" if colour else first.group

    def known(name: str) -> str | None:
        return next((value for one in parts if (value := getattr(one, name)) is not None), None)

    pictures = {picture.image: picture for one in reversed(parts) for picture in one.pictures}
    order = dict.fromkeys(picture.image for one in parts for picture in one.pictures)
    return Product(
        identity,
        tuple(pictures[image] for image in order),
        known("brand"),
        known("gender"),
        known("article_type"),
        known("title"),
        colour,
        first.group,
        {OFFERS: " ".join(dict.fromkeys(one.identity for one in offers)), **first.product.more},
    )
