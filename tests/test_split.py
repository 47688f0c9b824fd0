"""No product changes its split when a catalogue grows, and no design family is in two splits."""

import pandas as pd
import pytest

from ml.validate.split import choose_split_by, design_families, split_of, split_products

BRANDS = {"test": "adidas", "dev": "nike", "train": "wrangler"}


def a_shop(brands: list[str], titles: list[str], **columns: object) -> pd.DataFrame:
    """Products of one kind; brands and titles repeat as often as there are products."""
    count = max(len(brands), len(titles))
    return pd.DataFrame(
        {
            "product_id": [str(number) for number in range(count)],
            "brand": (brands * count)[:count],
            "gender": "Men",
            "article_type": "Tee",
            "title": (titles * count)[:count],
            **columns,
        }
    )


def test_the_split_of_a_brand_never_changes_and_all_splits_are_used() -> None:
    assert {split: split_of(brand) for split, brand in BRANDS.items()} == dict(
        zip(BRANDS, BRANDS, strict=True)
    )
    splits = pd.Series([split_of(f"brand {number}") for number in range(3000)]).value_counts(
        normalize=True
    )
    assert splits.to_dict() == pytest.approx({"train": 0.6, "dev": 0.2, "test": 0.2}, abs=0.03)


def test_colours_of_one_design_are_one_family_by_title_column_or_not_at_all() -> None:
    titles = ["Polo, Red", "Light-Blue Polo", "polo  NAVY", "Bolo Red", "Rot", "Noir", None]
    shop = a_shop(["b"], titles, base_colour=[None, None, None, None, None, "noir", None])
    families = design_families(shop)
    assert families[:3].nunique() == 1
    assert families.nunique() == 5
    assert families[5:].str.startswith("product").all()
    named = design_families(shop.assign(design_family=["x", "x", None, "x", None, None, None]))
    assert named[[0, 1, 3]].nunique() == 1
    assert (named[[2, 4, 5, 6]] == families[[2, 4, 5, 6]]).all()


def test_brands_are_split_if_each_split_gets_one_then_families_then_products() -> None:
    assert choose_split_by(a_shop(list(BRANDS.values()), ["a"])) == "brand"
    assert choose_split_by(a_shop(["adidas"], ["Polo Red", "Tee Blue"])) == "design_family"
    assert choose_split_by(a_shop(["adidas", "nike"], ["Polo Red"])) == "design_family"
    assert choose_split_by(a_shop(["adidas"], ["Red", "Blue"])) == "product"
    assert choose_split_by(a_shop([None], ["Polo"])) == "design_family"


@pytest.mark.parametrize("by", ["brand", "design_family", "product"])
def test_a_catalogue_that_grows_moves_no_product_to_another_split(by: str) -> None:
    small = a_shop(["adidas"], [f"Style {number // 2}" for number in range(60)])
    more = a_shop(["nike", "wrangler"], [f"New {number}" for number in range(40)])
    more["product_id"] = "new " + more["product_id"]
    grown = pd.concat([more, small], ignore_index=True)
    before = split_products(small, by)
    after = split_products(grown, by)[len(more) :]
    assert before.tolist() == after.tolist()
    if by != "brand":
        assert set(before) == {"train", "dev", "test"}


def test_what_cannot_be_split_by_is_refused() -> None:
    with pytest.raises(ValueError, match="colour"):
        split_products(a_shop(["b"], ["t"]), "colour")
