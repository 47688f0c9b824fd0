"""What the pages about groups show of a group, a product, a correction, a measured part."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from flows.desk.newest_groups import NewestGroups, Said
from ml.catalogue.closeness import Closeness
from ml.catalogue.corrections import states
from ml.catalogue.occlusion import GRID
from ml.data.schema import BLOCK

THUMBNAILS = 6  # of a group in the list
COLOURED = 200  # products of a group that are looked at
MATCHES, DIFFERENCES = 5, 3  # parts that are marked, at most
LEAST = 0.002  # by which the similarity must change: less is the noise of a crop that moves
BANDS = {"publish": "to publish", "review": "to review", "leave": "alone"}
STATES = {
    "holds": "holds",
    "waits": "waits for the next grouping",
    "gone": "a product is gone",
    "apart": "two blocks, which are never compared",
}
ROWS, COLUMNS = ("top", "middle", "bottom"), ("left", "centre", "right")


def percent(value: object) -> str:
    """Returns a probability in words; "" for none."""
    if value is None or value != value:
        return ""
    share = float(value) * 100  # type: ignore[arg-type]
    if 0 < share < 1 or 99 < share < 100:
        return "under 1 %" if share < 1 else "over 99 %"
    return f"{share:.0f} %"


def products(groups: NewestGroups, rows: Sequence[int]) -> list[dict[str, Any]]:
    """Returns some products, by their rows."""
    found = groups.list.products.iloc[np.asarray(rows, int)]
    return [
        {
            "row": row,
            "id": one["product_id"],
            "title": _text(one["title"]) or one["product_id"],
            "block": " · ".join(str(one[name]) for name in BLOCK),
            "picture": _text(one["sha256"]),
            "colour": _text(one["colour"]),
            "looks": _text(one["looks"]),
            "problem": _text(one["problem"]),
            "band": BANDS.get(one["band"], one["band"]),
            "score": percent(one["score"]),
            "group": one["group"],
        }
        for row, one in zip(rows, found.to_dict("records"), strict=True)
    ]


def summaries(
    groups: NewestGroups, places: Sequence[int], most: int = THUMBNAILS
) -> list[dict[str, Any]]:
    """Returns some groups, by their places, each with its first products."""
    found = groups.list
    ends = [(int(found.starts[one]), int(found.starts[one + 1])) for one in places]
    rows = [row for start, end in ends for row in range(start, min(end, start + COLOURED))]
    named = dict(zip(rows, products(groups, rows), strict=True))
    made = []
    for place, (start, end) in zip(places, ends, strict=True):
        here = [named[row] for row in range(start, min(end, start + COLOURED))]
        colours = dict.fromkeys(one["colour"] for one in here if one["colour"])
        made.append(
            {
                "id": found.ids[place],
                "title": here[0]["title"],
                "block": here[0]["block"],
                "band": here[0]["band"],
                "size": end - start,
                "score": percent(found.score[place]),
                "lowest": percent(found.lowest[place]),
                "colours": ", ".join(colours),
                "contradicted": bool(found.contradicted[place]),
                "products": here[:most],
                "more": max(0, end - start - most),
            }
        )
    return made


def outsiders(
    groups: NewestGroups, closeness: Closeness, members: np.ndarray, most: int
) -> list[dict[str, Any]]:
    """Returns the products of other groups that are nearest to a group.

    Args:
        members: int (any,), rows of the group.
    """
    near = closeness.outsiders(members, most)
    shown = products(groups, [one.row for one in near])
    nearest = products(groups, [one.member for one in near])
    return [
        one | {"probability": percent(found.probability), "member": member}
        for one, member, found in zip(shown, nearest, near, strict=True)
    ]


def state_of(
    groups: NewestGroups, said: Said, products: Sequence[str], asked: Sequence[object]
) -> str:
    """Returns a digest of all that a form about some products was made for.

    It changes with the version and with each correction or lock that names one of them, so that of
    two people the second sees what the first did; and with what is asked for, so that nothing is
    done but what was shown.
    """
    words = said.corrections
    words = words[words["left"].isin(products) | words["right"].isin(products)]
    locks = said.locks[said.locks["product_id"].isin(products)]
    named = [groups.number, words.to_csv(index=False), locks.to_csv(index=False), asked]
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()[:16]


def corrections(
    groups: NewestGroups, said: Said, products: Sequence[str] | None = None
) -> list[dict[str, Any]]:
    """Returns what stands about some products, the newest first; None: about all."""
    newest = said.corrections
    if products is not None:
        newest = newest[newest["left"].isin(products) | newest["right"].isin(products)]
    found = groups.list
    group = found.products["group"].to_numpy(object)
    table = newest.assign(state=states(newest, found.rows, group, found.block))
    rows = table.iloc[::-1].to_dict("records")
    return [{**row, "words": STATES[row["state"]], "day": row["when"][:10]} for row in rows]  # type: ignore[dict-item]


def waiting(groups: NewestGroups, said: Said) -> list[str]:
    """Returns the products of the corrections that wait for the next grouping."""
    table, found = said.corrections, groups.list
    state = states(table, found.rows, found.products["group"].to_numpy(object), found.block)
    ends = table.loc[state == "waits", ["left", "right"]].to_numpy(object)
    return list(dict.fromkeys(ends.ravel().tolist()))


def marks(side: dict[str, Any]) -> dict[str, Any]:
    """Returns the parts of a picture to mark, and where they are in words.

    Args:
        side: of `flows.desk.grouping_model.GroupingModel.parts`.

    Returns:
        {"size": [width, height], "match", "differ": boxes (x, y, width, height, 1-based rank),
        "match_words", "differ_words"}.
    """
    drop = np.array([0.0 if one is None else one for one in side["drop"]])
    order = np.argsort(-drop, kind="stable")
    match = [one for one in order[:MATCHES] if drop[one] > LEAST]
    differ = [one for one in order[::-1][:DIFFERENCES] if drop[one] < -LEAST]
    return {
        "size": side["size"],
        "match": [_mark(side["boxes"][one], rank) for rank, one in enumerate(match, 1)],
        "differ": [_mark(side["boxes"][one], rank) for rank, one in enumerate(differ, 1)],
        "match_words": _where(match),
        "differ_words": _where(differ),
    }


def _mark(box: Sequence[int], rank: int) -> dict[str, int]:
    left, top, right, bottom = box
    return {"x": left, "y": top, "width": right - left, "height": bottom - top, "rank": rank}


def _where(cells: Sequence[int]) -> str:
    third = GRID / len(ROWS)
    named = (
        f"{ROWS[int(one // GRID / third)]} {COLUMNS[int(one % GRID / third)]}" for one in cells
    )
    return ", ".join(dict.fromkeys(named))


def _text(value: object) -> str | None:
    return None if value is None or value != value or value is pd.NA else str(value)
