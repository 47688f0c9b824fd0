"""The representative of a group is its medoid, and stays while the group does."""

import numpy as np
import pandas as pd

from ml.catalogue.representative import representatives


def products(groups: str, ids: str = "abcdefgh", problem: str = "") -> pd.DataFrame:
    """Products of which each letter of `groups` names the group; those in `problem` are broken."""
    made = pd.DataFrame({"product_id": list(ids[: len(groups)]), "group": list(groups)})
    broken = [("blank" if one in problem else None) for one in made["product_id"]]
    return made.assign(
        sha256=made["product_id"].str.upper(), problem=pd.Series(broken, dtype=object)
    )


def unit(*degrees: float) -> np.ndarray:
    angle = np.radians(degrees)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)


def chosen(table: pd.DataFrame, embeddings: np.ndarray, before: pd.DataFrame | None = None) -> str:
    found = representatives(table, embeddings, before)
    assert (table[found].groupby("group").size() == 1).all()
    assert set(table[found]["group"]) == set(table["group"])
    return "".join(table[found]["product_id"])


def test_it_is_the_product_in_the_middle_whatever_the_order() -> None:
    table, embeddings = products("xxxyyz"), unit(0, 40, 10, 5, 80, 0)
    assert chosen(table, embeddings) == "cdf"
    order = np.array([5, 2, 4, 0, 3, 1])
    assert sorted(chosen(table.iloc[order], embeddings[order])) == list("cdf")


def test_equals_are_told_apart_by_id() -> None:
    assert chosen(products("xxx", "cab"), unit(7, 7, 7)) == "a"


def test_a_broken_picture_stands_for_a_group_only_if_all_are_broken() -> None:
    assert chosen(products("xxyyz", problem="abcz"), unit(0, 0, 0, 0, 0)) == "ade"


def test_it_stays_while_members_and_pictures_do_whatever_the_model_says() -> None:
    before = products("xxxyyy")
    before["representative"] = representatives(before, unit(0, 10, 40, 0, 10, 40))
    assert chosen(before, unit(0, 40, 10, 0, 40, 10), before) == "be"
    other = before.copy()
    other.loc[5, "sha256"] = "another"
    assert chosen(other, unit(0, 40, 10, 0, 40, 10), before) == "bf"
    fewer = before.drop(index=0)
    assert chosen(fewer, unit(40, 10, 0, 40, 10), before) == "be"


def test_it_makes_way_when_its_own_picture_breaks_and_others_are_left() -> None:
    before = products("xxxyyy")
    before["representative"] = representatives(before, unit(0, 10, 40, 0, 10, 40))
    assert chosen(products("xxxyyy", problem="bdef"), unit(0, 0, 40, 0, 0, 0), before) == "ae"
