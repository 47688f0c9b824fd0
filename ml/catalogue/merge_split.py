"""The corrections by which groups are merged or split: as few as say it."""

from collections.abc import Iterable, Sequence

Pair = tuple[str, str, bool]  # left, right, whether they are one design


class Designs:
    """The designs that pairs make of products: closed transitively.

    Args:
        pairs: the later word about two products counts.
    """

    def __init__(self, pairs: Iterable[Pair]) -> None:
        self.words = {frozenset(pair[:2]): pair for pair in pairs}
        self._above: dict[str, str] = {}
        for left, right, same in self.words.values():
            if same:
                self.join(left, right)

    def of(self, product: str) -> str:
        """Returns the product that stands for all of a product's design."""
        top = product
        while top in self._above:
            top = self._above[top]
        while product != top:  # so that the next search is short
            self._above[product], product = top, self._above[product]
        return top

    def join(self, left: str, right: str) -> bool:
        """Makes two products one design; returns whether they were two."""
        left, right = self.of(left), self.of(right)
        if left != right:
            self._above[right] = left
        return left != right

    def parted(self) -> set[frozenset[str]]:
        """Returns the pairs of designs that are said to be different."""
        return {
            frozenset((self.of(left), self.of(right)))
            for left, right, same in self.words.values()
            if not same
        }


def still_together(products: Sequence[str], said: Iterable[Pair]) -> list[str]:
    """Returns the products of a group without those that words part from most of it by now.

    Args:
        products: ids of the group in a version; a correction since then may wait for the next one.
        said: the newest word about each pair.
    """
    designs = Designs(said)
    parted = designs.parted()
    against = {
        one: [
            other for other in products if frozenset((designs.of(one), designs.of(other))) in parted
        ]
        for one in products
    }
    found: set[str] = set()
    for one in sorted(products, key=lambda one: len(against[one])):
        if not found.intersection(against[one]):
            found.add(one)
    return [one for one in products if one in found]


def merging(products: Sequence[str], said: Iterable[Pair]) -> list[Pair]:
    """Returns the corrections by which products are of one design.

    Each joins the first product with a design that there is so far. Pairs of these products that
    are said to be different are taken back.

    Args:
        products: ids, the representative first.
        said: the newest word about each pair.
    """
    words, here = list(said), set(products)
    found = [
        (left, right, True) for left, right, same in words if not same and {left, right} <= here
    ]
    designs = Designs([*words, *found])
    return found + [
        (products[0], one, True) for one in products[1:] if designs.join(products[0], one)
    ]


def splitting(
    go: Sequence[str],
    stay: Sequence[str],
    said: Iterable[Pair],
    go_are_one: bool = False,
    stay_are_one: bool = False,
) -> list[Pair]:
    """Returns the corrections by which some products of a group are of other designs than the rest.

    Pairs that join a product that goes with one that stays are taken back. Then one pair of each
    two designs is enough, since a correction parts all of their products.

    Args:
        go, stay: ids.
        said: as of `merging`.
        go_are_one, stay_are_one: whether those that go, or stay, are of one design.
    """
    words, goes, stays = list(said), set(go), set(stay)
    found = [
        (left, right, False)
        for left, right, same in words
        if same and ((left in goes and right in stays) or (left in stays and right in goes))
    ]
    for products, are_one in ((go, go_are_one), (stay, stay_are_one)):
        found += merging(products, [*words, *found]) if are_one else []
    designs = Designs([*words, *found])
    parted = designs.parted()
    for left in go:
        for right in stay:
            pair = frozenset((designs.of(left), designs.of(right)))
            if pair not in parted:
                parted.add(pair)
                found.append((left, right, False))
    return found
