"""Exports keep the published rules of those who read them, whatever a shop's texts are."""

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pandas as pd
import pytest

from ml.core.errors import UserError
from ml.exports.exports import EXPORTS, write_export
from ml.exports.shopify import _different, with_shopify_ids

HOSTILE = ["=1+1", "+49", "-7", "@SUM(A1)", "\t=1", 'a"b', "a,b", "a;b", "x" * 51, " y ", "é&<b>"]
TEXT = "</script><script>alert(1)</script>"
SHORT = {"type": "string", "minLength": 1, "maxLength": 255}
GID = {"type": "string", "pattern": "^gid://shopify/Product/[0-9]+$"}


def thing(required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": False,
    }


def const(value: str) -> dict[str, str]:
    return {"const": value}


# https://schema.org/ProductGroup, and the properties that Google's "Product variant structured
# data" asks for: name, productGroupID, variesBy (full URLs), hasVariant with a unique sku each.
PRODUCT_GROUP = thing(
    ["@type", "name", "productGroupID", "variesBy", "hasVariant"],
    **{"@type": const("ProductGroup")},
    name=SHORT,
    productGroupID=SHORT,
    brand=thing(["@type", "name"], **{"@type": const("Brand")}, name=SHORT),
    variesBy={
        "type": "array",
        "items": {"enum": [f"https://schema.org/{one}" for one in ("color", "size", "pattern")]},
        "minItems": 1,
    },
    hasVariant={
        "type": "array",
        "minItems": 2,
        "items": thing(
            ["@type", "sku", "name", "inProductGroupWithID"],
            **{"@type": const("Product")},
            sku=SHORT,
            name=SHORT,
            color=SHORT,
            inProductGroupWithID=SHORT,
        ),
    },
)
# shopify.dev, Admin API: ProductCreateInput and the arguments of combinedListingUpdate.
PARENT = thing(
    ["product"],
    product=thing(
        ["title", "combinedListingRole"],
        title=SHORT,
        handle={"type": "string", "pattern": "^[a-z0-9-]+$"},
        combinedListingRole=const("PARENT"),
    ),
)
SELECTED = thing(["name", "value"], name=SHORT, value=SHORT)
LISTING = thing(
    ["parentProductId"],
    parentProductId=GID,
    title=SHORT,
    optionsAndValues={
        "type": "array",
        "items": thing(
            ["name", "values"],
            name=SHORT,
            values={"type": "array", "items": SHORT, "uniqueItems": True},
        ),
    },
    productsAdded={
        "type": "array",
        "items": thing(
            ["childProductId", "selectedParentOptionValues"],
            childProductId=GID,
            selectedParentOptionValues={"type": "array", "items": SELECTED, "minItems": 1},
        ),
    },
)


def table(ids: list[str] | None = None, **columns: str) -> pd.DataFrame:
    """Groups of three (publish), two (review) and one; with `ids` one more group of these."""
    rows: dict[str, list[Any]] = {
        "product_id": ["101", "102", "103", "201", "202", "301", *(ids or [])],
        "group": [*["gaaa"] * 3, *["gbbb"] * 2, "gccc", *["gddd"] * len(ids or [])],
        "band": [*["publish"] * 3, *["review"] * 2, "leave", *["publish"] * len(ids or [])],
        "representative": [False, True, False, True, False, True, *[False] * len(ids or [])],
    }
    made = pd.DataFrame(rows).assign(
        brand="Harbour & Oak", gender="Men", article_type="T-Shirts", title="Tee", colour="Blue"
    )
    return made.assign(**columns)


def check_feed(path: Path, separator: str) -> dict[str, str]:
    """Checks Google's rules of id and item_group_id; returns the group of each id."""
    with path.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file, delimiter=separator))
    groups = {line["id"]: line["item_group_id"] for line in lines}
    assert len(groups) == len(lines)
    for one, group in groups.items():
        assert 1 <= len(one) <= 50
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,50}", group)
        assert list(groups.values()).count(group) >= 2
        assert not one.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert len({group.casefold() for group in groups.values()}) == len(set(groups.values()))
    return groups


@pytest.mark.parametrize(("name", "separator"), [("google", "\t"), ("meta", ",")])
def test_a_feed_keeps_the_rules_of_item_group_id_and_leaves_out_what_it_cannot_hold(
    tmp_path: Path, name: str, separator: str
) -> None:
    count, left_out = write_export(name, table(HOSTILE), tmp_path / "feed")
    groups = check_feed(tmp_path / "feed", separator)
    kept = ['a"b', "a,b", "a;b", "é&<b>"]
    assert groups == dict.fromkeys(["102", "101", "103"], "gaaa") | dict.fromkeys(kept, "gddd")
    assert count == len(groups)
    assert set(left_out["product_id"]) == set(HOSTILE) - set(kept)
    assert left_out["reason"].str.len().min() > 0


def test_a_group_that_has_one_fitting_product_left_is_left_out(tmp_path: Path) -> None:
    _, left_out = write_export("google", table(["=1", "ok"]), tmp_path / "feed")
    assert set(left_out["product_id"]) == {"=1", "ok"}
    assert set(check_feed(tmp_path / "feed", "\t").values()) == {"gaaa"}


@pytest.mark.parametrize("name", ["google", "schema-org", "akeneo-products"])
def test_only_groups_to_publish_go_out_unless_others_are_asked_for(
    tmp_path: Path, name: str
) -> None:
    assert write_export(name, table(), tmp_path / "a")[0] == 3
    assert write_export(name, table(), tmp_path / "b", ("publish", "review"))[0] == 5
    with pytest.raises(UserError, match="--band review"):
        write_export(name, table(band="review"), tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_json_ld_keeps_the_rules_of_product_groups_and_ends_no_script(tmp_path: Path) -> None:
    write_export("schema-org", table(HOSTILE, title=TEXT, colour=TEXT), tmp_path / "page.json")
    text = (tmp_path / "page.json").read_text(encoding="utf-8")
    assert "<" not in text
    document = json.loads(text)
    assert document["@context"] == "https://schema.org"
    for group in document["@graph"]:
        jsonschema.validate(group, PRODUCT_GROUP)
        variants = group["hasVariant"]
        assert len({one["sku"] for one in variants}) == len(variants)
        assert {one["inProductGroupWithID"] for one in variants} == {group["productGroupID"]}
        assert variants[0]["name"] == TEXT
    assert document["@graph"][0]["hasVariant"][0]["sku"] == "102"  # the representative


@pytest.mark.parametrize("missing", [["title"], ["title", "colour", "brand", "article_type"]])
def test_json_ld_has_names_without_titles(tmp_path: Path, missing: list[str]) -> None:
    write_export("schema-org", table().drop(columns=missing), tmp_path / "page.json")
    group = json.loads((tmp_path / "page.json").read_text())["@graph"][0]
    jsonschema.validate(group, PRODUCT_GROUP)
    assert group["name"] == ("102" if "brand" in missing else "Harbour & Oak T-Shirts")


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_shopify_gets_parents_and_then_listings_as_its_mutations_take_them(tmp_path: Path) -> None:
    groups = table([TEXT, "no-such-product", "tee"], title=TEXT)
    write_export("shopify-parents", groups, tmp_path / "parents.jsonl")
    parents = lines(tmp_path / "parents.jsonl")
    for one in parents:
        jsonschema.validate(one, PARENT)
    assert [one["product"]["handle"] for one in parents] == ["gaaa", "gddd"]
    with pytest.raises(UserError, match="--shopify-ids"):
        write_export("shopify", groups, tmp_path / "listings.jsonl")
    handles = {"gaaa": 1, "gddd": 2, "101": 103, "tee-2": 102, "tee-3": 4, TEXT: 5, "tee": 6}
    known = [
        {"id": f"gid://shopify/Product/{number}", "handle": handle}
        for handle, number in handles.items()
    ]
    (tmp_path / "ids.jsonl").write_text("\n".join(map(json.dumps, known)))
    groups = with_shopify_ids(groups, tmp_path / "ids.jsonl")
    _, left_out = write_export("shopify", groups, tmp_path / "listings.jsonl")
    listings = lines(tmp_path / "listings.jsonl")
    for one in listings:
        jsonschema.validate(one, LISTING)
        children = [child["childProductId"] for child in one["productsAdded"]]
        assert len(set(children)) == len(children) >= 2
        values = [child["selectedParentOptionValues"][0] for child in one["productsAdded"]]
        assert [value["value"] for value in values] == one["optionsAndValues"][0]["values"]
    assert listings[1]["optionsAndValues"] == [{"name": "Color", "values": ["Blue", "Blue 2"]}]
    assert left_out["product_id"].tolist() == ["103", "no-such-product"]  # 103 is product "101"


def test_each_child_of_a_listing_has_a_value_of_its_own(tmp_path: Path) -> None:
    colours = ["Blue", "blue", "Blue 2", "", "Unknown", "x" * 400, "x" * 400, *["Blue"] * 3]
    found = _different(colours)
    assert found[:5] == ["Blue", "blue 2", "Blue 2 2", "Unknown", "Unknown 2"]
    assert len({one.casefold() for one in found}) == len(colours)
    assert max(map(len, found)) <= 255


def test_titles_in_a_file_of_ids_may_hold_any_line_separator(tmp_path: Path) -> None:
    one = {"id": "gid://shopify/Product/7", "handle": "101", "title": "a\u2028b\x85c"}
    text = json.dumps(one, ensure_ascii=False) + "\r\n"
    (tmp_path / "ids.jsonl").write_text(text, encoding="utf-8")
    found = with_shopify_ids(table(), tmp_path / "ids.jsonl").set_index("product_id")
    assert found.loc["101", "shopify_id"] == one["id"]


@pytest.mark.parametrize("line", ["{", "[]", "7", '{"id": "x"}', '{"id": "x", "handle": "y"}'])
def test_a_file_of_ids_that_is_none_is_refused_by_its_line(tmp_path: Path, line: str) -> None:
    (tmp_path / "ids.jsonl").write_text(line)
    with pytest.raises(UserError, match="line 1"):
        with_shopify_ids(table(), tmp_path / "ids.jsonl")


def test_akeneo_gets_product_models_and_the_model_of_each_product(tmp_path: Path) -> None:
    for name in ("akeneo-models", "akeneo-products"):
        write_export(name, table(HOSTILE, article_type="=Tröusers; <b>"), tmp_path / name)

    def read(name: str) -> list[dict[str, str]]:
        with (tmp_path / name).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file, delimiter=";"))

    models, products = read("akeneo-models"), read("akeneo-products")
    codes = [one["code"] for one in models]
    assert codes == ["gaaa", "gddd"]
    for one in models:  # Akeneo's rule for codes: letters, digits and underscores
        assert re.fullmatch("[a-z0-9_]+", one["family_variant"])
    assert {one["parent"] for one in products} <= set(codes)
    for product in products:
        assert not re.search("[,;]|^[=+@\t-]", product["sku"])


@pytest.mark.parametrize("name", EXPORTS)
def test_an_export_is_equal_byte_by_byte_whatever_the_order_of_the_table(
    tmp_path: Path, name: str
) -> None:
    groups = table().assign(shopify_id="gid://shopify/Product/1", shopify_parent="gid://x")
    write_export(name, groups, tmp_path / "a")
    write_export(name, groups.sample(frac=1, random_state=3), tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_an_export_that_is_interrupted_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "feed").write_text("before")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    writer: Callable[..., None] = interrupted
    monkeypatch.setitem(EXPORTS, "google", writer)
    with pytest.raises(KeyboardInterrupt):
        write_export("google", table(), tmp_path / "feed")
    assert (tmp_path / "feed").read_text() == "before"
    with pytest.raises(UserError, match="there are: google"):
        write_export("../feed", table(), tmp_path / "feed")
