"""Writes what a promotion would change: impact.json for programs, impact.html for people.

impact_cards.json holds the pictures of the largest changes of impact.json, for other pages.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from ml.core.files import write_json
from ml.data.images import UnreadablePicture, decode
from ml.pages.html import NO_PICTURE, TEMPLATES, product_card, write_page
from ml.promote.impact import Change, Impact, to_json
from ml.promote.words import share_words

TEMPLATE = TEMPLATES / "impact.html.j2"
CARDS = "impact_cards.json"
CARDED = 8  # changes whose products' cards are kept, the largest ones
SHOWN = 24  # changes with pictures, the largest ones; violations
PRODUCTS = 24  # of a change, on the page
LISTED = 1000  # changes in impact.json


def write_impact(
    impact: Impact,
    products: pd.DataFrame,
    facts: dict[str, Any],
    folder: Path,
    picture: Callable[[int], bytes | None],
) -> None:
    """Writes impact.json, impact.html and impact_cards.json into a folder.

    Args:
        products: those that `impact` counts: product_id, brand, gender, article_type, and title if
            the shop has titles.
        facts: what stands before the counts: "champion", "challenger" (URIs), "catalogue" (words),
            "left_out" (number of products), "limit" (largest share that may move), "mode" and
            "at_once" (see `ml.promote.impact.ImpactSummary`).
        picture: returns the content of the picture's file of the product at a position.
    """
    ids = products["product_id"].astype(str).tolist()
    write_json(folder / "impact.json", facts | to_json(impact, ids, LISTED))
    cards: dict[int, dict[str, Any]] = {}

    def card(place: int) -> dict[str, Any]:
        if place not in cards:
            try:
                found = decode(picture(place))
            except UnreadablePicture:
                found = NO_PICTURE
            cards[place] = product_card(products.iloc[place], found)
        return cards[place]

    shown = [_shown(one, card) for one in impact.changes[:SHOWN]]
    kept = [one for change in shown[:CARDED] for group in change["before"] for one in group]
    write_json(folder / CARDS, {str(one["id"]): one for one in kept})
    write_page(
        folder / "impact.html",
        TEMPLATE,
        **facts,
        counts=impact.counts,
        share=share_words,
        article_types=impact.article_types,
        violations=impact.violations[:SHOWN],
        violated=len(impact.violations),
        changed=len(impact.changes),
        changes=shown,
    )


def _shown(change: Change, card: Callable[[int], dict[str, Any]]) -> dict[str, Any]:
    """Returns a change for the template: cards of the same products on both sides."""
    places = [place for group in change.before for place in group]
    shown = set(places[:PRODUCTS])

    def cards(groups: list[list[int]]) -> list[list[dict[str, Any]]]:
        kept = ([card(place) for place in group if place in shown] for group in groups)
        return [group for group in kept if group]

    return {
        "block": card(places[0])["block"],
        "moved": change.moved,
        "products": len(places),
        "hidden": len(places) - len(shown),
        "before": cards(change.before),
        "after": cards(change.after),
    }
