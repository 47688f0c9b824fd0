"""The data contract names faults of a snapshot, stops at critical ones and records warnings."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, edit_table, jpeg, set_params

import ml.validate.stage
from ml.core.errors import UserError
from ml.core.files import read_json, read_table, write_json
from ml.snapshot.stage import import_shop
from ml.validate.split import design_families

Change = Callable[[pd.DataFrame], pd.DataFrame]


class Contract:
    """A folder in which shops are validated."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        shutil.copytree(ROOT / "data/gx", folder / "data/gx")
        shutil.copy(ROOT / "data/previous.json", folder / "data")
        shutil.copy(ROOT / "params.yaml", folder)
        monkeypatch.chdir(folder)

    def check(self, shop: Path) -> dict[str, dict[str, object]]:
        """Runs the stage; returns the failed rules by their texts. Raises what the stage raises."""
        import_shop(str(shop), Path("data/snapshot"))
        ml.validate.stage.main()
        return self.failed()

    def failed(self) -> dict[str, dict[str, object]]:
        rules = read_json(Path("artifacts/validate/contract.json"))["rules"]
        return {rule["rule"]: rule for rule in rules if not rule["success"]}

    def refusal(self, shop: Path) -> str:
        """The text of the stage's refusal.

        The results of the rules and the page must be there nevertheless, and the accepted
        tables must not.
        """
        with pytest.raises(UserError) as caught:
            self.check(shop)
        assert read_json(Path("artifacts/validate/contract.json"))["passed"] is False
        assert Path("artifacts/validate/contract.html").is_file()
        assert not Path("artifacts/validate/products.parquet").exists()
        return str(caught.value)


@pytest.fixture
def contract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Contract:
    return Contract(tmp_path / "work", monkeypatch)


def change(shop: Path, table: str, edit: Change) -> Path:
    edit_table(shop / f"{table}.csv", edit)
    return shop


def put(frame: pd.DataFrame, row: int, column: str, value: str) -> pd.DataFrame:
    frame.loc[row, column] = value
    return frame


def test_a_good_shop_passes_and_goes_on_whole(contract: Contract, shop: Path) -> None:
    failed = contract.check(shop)
    assert [rule for rule in failed.values() if rule["severity"] == "critical"] == []
    assert len(read_table(Path("artifacts/validate/products.parquet"))) == 120
    assert len(read_table(Path("artifacts/validate/quarantine.parquet"))) == 0


@pytest.mark.parametrize(
    ("table", "edit", "words"),
    [
        ("catalog", lambda t: pd.concat([t, t.head(1)]), ["no product id comes twice", "1000000"]),
        ("catalog", lambda t: put(t, 3, "product_id", ""), ["value for product_id"]),
        ("pairs", lambda t: put(t, 0, "color_variants", ""), ["color_variants is 0 or 1"]),
        ("pairs", lambda t: put(t, 0, "confidence", "sure"), ["confidence is high, medium or low"]),
        (
            "pairs",
            lambda t: put(t, 0, "right", t.loc[0, "left"]),
            ["pair is of a product with itself"],
        ),
        ("pairs", lambda t: t.assign(left="nobody"), ["name products of the catalogue", "nobody"]),
    ],
    ids=["twice", "no id", "label", "confidence", "self", "unknown"],
)
def test_a_critical_failure_stops_and_names_the_rows_and_the_way_out(
    contract: Contract, own_shop: Path, table: str, edit: Change, words: list[str]
) -> None:
    message = contract.refusal(change(own_shop, table, edit))
    for word in words:
        assert word in message
    assert "→" in message


def test_contradictory_pairs_are_refused_and_the_contradiction_is_named(
    contract: Contract, own_shop: Path
) -> None:
    rows = [("1", "2", 1), ("2", "3", 1), ("1", "3", 0)]
    products = pd.read_csv(own_shop / "catalog.csv", dtype=str)["product_id"].head(3)
    names = dict(zip("123", products, strict=True))
    pairs = pd.DataFrame(rows, columns=["left", "right", "color_variants"])
    pairs[["left", "right"]] = pairs[["left", "right"]].replace(names)
    pairs.to_csv(own_shop / "pairs.csv", index=False)
    message = contract.refusal(own_shop)
    assert "no pair contradicts the others (1 of 3 rows)" in message
    assert f"{names['1']} {names['3']}" in message


def test_a_contradiction_by_a_pair_marked_low_is_none(contract: Contract, own_shop: Path) -> None:
    products = pd.read_csv(own_shop / "catalog.csv", dtype=str)["product_id"]
    rows = [(products[0], products[1], 1, "high"), (products[1], products[0], 0, "low")]
    pd.DataFrame(rows, columns=["left", "right", "color_variants", "confidence"]).to_csv(
        own_shop / "pairs.csv", index=False
    )
    assert "no pair contradicts the others" not in contract.check(own_shop)


def test_one_pair_with_both_labels_is_a_contradiction(contract: Contract, own_shop: Path) -> None:
    products = pd.read_csv(own_shop / "catalog.csv", dtype=str)["product_id"]
    rows = [(products[0], products[1], 1), (products[1], products[0], 0)]
    pd.DataFrame(rows, columns=["left", "right", "color_variants"]).to_csv(
        own_shop / "pairs.csv", index=False
    )
    assert "contradicts" in contract.refusal(own_shop)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "missing"),
        (b"", "0 bytes"),
        (b"<html></html>", "HTML page"),
        (jpeg(np.full((90, 90, 3), 9, np.uint8)), "blank"),
    ],
    ids=["missing", "zero bytes", "html", "blank"],
)
def test_an_unusable_picture_stops_a_small_shop_and_is_named_with_the_reason(
    contract: Contract, own_shop: Path, content: bytes | None, reason: str
) -> None:
    picture = own_shop / "images/1000000.jpg"
    picture.unlink() if content is None else picture.write_bytes(content)
    message = contract.refusal(own_shop)
    assert "nearly all pictures can be used (1 of 120 rows)" in message
    assert "1000000" in message
    assert reason in message


def test_up_to_the_tolerated_share_unusable_pictures_go_to_quarantine(
    contract: Contract, own_shop: Path
) -> None:
    set_params(Path("params.yaml"), {"validate.quarantine_share": 0.01})
    (own_shop / "images/1000000.jpg").write_bytes(b"nonsense")
    failed = contract.check(own_shop)
    assert failed["every picture can be used"]["severity"] == "warning"
    quarantine = read_table(Path("artifacts/validate/quarantine.parquet"))
    assert quarantine.to_dict("records") == [
        {
            "product_id": "1000000",
            "image": "images/1000000.jpg",
            "reason": "the file is not a picture",
        }
    ]
    left = read_table(Path("artifacts/validate/products.parquet"))
    assert "1000000" not in set(left["product_id"])
    pairs = read_table(Path("artifacts/validate/pairs.parquet"))
    assert "1000000" not in set(pairs["left"]) | set(pairs["right"])


@pytest.mark.parametrize(
    ("table", "edit", "rule"),
    [
        (
            "catalog",
            lambda t: put(t, 0, "gender", "Dragons"),
            "genders are those of the vocabulary",
        ),
        (
            "catalog",
            lambda t: put(t, 0, "brand", t.loc[0, "brand"].upper()),
            "brand and article type are spelt in one way",
        ),
        ("pairs", lambda t: pd.concat([t, t.head(1)]), "no pair comes twice"),
        (
            "pairs",
            lambda t: put(t, 0, "left", "nobody"),
            "all pairs name usable products of the catalogue",
        ),
    ],
    ids=["gender", "spelling", "repeated", "unknown"],
)
def test_a_warning_is_recorded_and_goes_on(
    contract: Contract,
    own_shop: Path,
    capsys: pytest.CaptureFixture[str],
    table: str,
    edit: Change,
    rule: str,
) -> None:
    failed = contract.check(change(own_shop, table, edit))
    assert failed[rule]["severity"] == "warning"
    assert failed[rule]["examples"]
    assert f"not so: {rule}" in capsys.readouterr().out


def test_the_same_picture_twice_in_a_block_is_warned_about_but_colourways_are_not(
    contract: Contract, own_shop: Path
) -> None:
    set_params(Path("params.yaml"), {"validate.duplicate_share": 0.0})
    assert "no two products of a block have the same picture" not in contract.check(own_shop)
    shutil.copy(own_shop / "images/1000000.jpg", own_shop / "images/1000011.jpg")
    table = pd.read_csv(own_shop / "catalog.csv", dtype=str).head(2)
    shutil.copy(own_shop / table.loc[0, "image"], own_shop / str(table.loc[1, "image"]))
    assert "no two products of a block have the same picture" in contract.check(own_shop)


def test_a_collapsed_catalogue_is_refused_and_a_shrunken_one_is_warned_about(
    contract: Contract, shop: Path
) -> None:
    write_json(Path("data/previous.json"), {"source": "x", "snapshot": "y", "products": 1000})
    assert "collapsed" in contract.refusal(shop)
    write_json(Path("data/previous.json"), {"source": "x", "snapshot": "y", "products": 200})
    assert "the catalogue is about as large as the previous snapshot" in contract.check(shop)


@pytest.mark.parametrize("column", ["brand", "gender", "article_type"])
def test_products_without_brand_gender_or_type_are_warned_about_and_are_a_block_of_their_own(
    contract: Contract, own_shop: Path, column: str
) -> None:
    def blank(table: pd.DataFrame) -> pd.DataFrame:
        table.loc[:1, column] = ""
        return table

    failed = contract.check(change(own_shop, "catalog", blank))
    rule = failed[f"every product has a value for {column}"]
    assert (rule["severity"], rule["failing"]) == ("warning", 2)
    products = read_table(Path("artifacts/validate/products.parquet"))
    assert (products[column] == "unknown").sum() == 2
    assert products[["brand", "gender", "article_type", "split"]].notna().all(axis=None)


def test_a_shop_of_one_brand_is_split_by_design_family_and_the_report_says_so(
    contract: Contract, own_shop: Path
) -> None:
    contract.check(change(own_shop, "catalog", lambda table: table.assign(brand="Only One")))
    split = read_json(Path("artifacts/validate/split.json"))
    assert split["by"] == "design_family"
    assert "of brands that were seen" in split["proves"]
    assert all(split["products"].values())
    products = read_table(Path("artifacts/validate/products.parquet"))
    families = design_families(products)
    assert (products.groupby(families)["split"].nunique() == 1).all()
    assert families.duplicated().any()


def test_what_the_first_snapshot_was_split_by_stays_when_brands_are_added(
    contract: Contract, shop: Path
) -> None:
    facts = {"source": "x", "snapshot": "y", "products": 120, "split_by": "design_family"}
    write_json(Path("data/previous.json"), facts)
    contract.check(shop)
    assert read_json(Path("artifacts/validate/split.json"))["by"] == "design_family"
    set_params(Path("params.yaml"), {"validate.split_by": "brand"})
    contract.check(shop)
    assert read_json(Path("artifacts/validate/split.json"))["by"] == "brand"


def test_pairs_across_splits_are_warned_about(contract: Contract, own_shop: Path) -> None:
    set_params(Path("params.yaml"), {"validate.split_by": "product"})
    failed = contract.check(own_shop)
    assert failed["both products of a pair are in one split"]["severity"] == "warning"


def test_brands_that_are_spelt_alike_are_told(contract: Contract, own_shop: Path) -> None:
    def respell(table: pd.DataFrame) -> pd.DataFrame:
        table["brand"] = "H&M"
        table.loc[0, "brand"] = "h & m"
        return table

    failed = contract.check(change(own_shop, "catalog", respell))
    assert "brand and article type are spelt in one way" in failed


def test_the_suites_are_committed_as_readable_files_with_a_severity_and_a_hint_for_each_rule() -> (
    None
):
    for name in ("products", "pictures", "pairs"):
        suite = json.loads((ROOT / f"data/gx/expectations/{name}.json").read_text())
        for rule in suite["expectations"]:
            assert rule["severity"] in ("critical", "warning")
            assert rule["description"]
            assert rule["meta"]["hint"]


def test_a_block_with_a_product_that_nobody_assigned_is_left_out_with_a_warning(
    contract: Contract, own_shop: Path
) -> None:
    catalog = pd.read_csv(own_shop / "catalog.csv", dtype=str)
    keys = catalog[["brand", "gender", "article_type"]].agg("/".join, axis=1)
    first, second = (catalog.loc[keys == key, "product_id"].tolist() for key in keys.unique()[:2])
    rows = [*first, *second[1:], "gone"]
    table = pd.DataFrame({"product_id": rows, "design": "1"})
    table.to_csv(own_shop / "blocks.csv", index=False)
    unsure = pd.DataFrame({"left": [first[0], second[1]], "right": [first[1], second[2]]})
    unsure.to_csv(own_shop / "blocks_unsure_pairs.csv", index=False)
    failed = contract.check(own_shop)
    rule = failed["every product of a complete block is assigned to a design"]
    assert (rule["severity"], rule["products"]) == ("warning", [[second[0]]])
    rule = failed["all products of complete blocks are usable products of the catalogue"]
    assert rule["products"] == [["gone"]]
    kept = read_table(Path("artifacts/validate/blocks.parquet"))
    assert sorted(kept["product_id"]) == sorted(first)
    kept = read_table(Path("artifacts/validate/blocks_unsure_pairs.parquet"))
    assert kept.to_numpy().tolist() == [first[:2]]


def test_blocks_of_another_catalogue_are_refused(contract: Contract, own_shop: Path) -> None:
    (own_shop / "blocks.csv").write_text("product_id,design\nx,1\ny,1\n")
    assert "do the blocks belong to this catalogue?" in contract.refusal(own_shop)


def test_a_shop_without_complete_blocks_has_empty_tables(
    contract: Contract, own_shop: Path
) -> None:
    for name in ("blocks", "blocks_unsure_pairs"):
        (own_shop / f"{name}.csv").unlink(missing_ok=True)
    contract.check(own_shop)
    for name in ("blocks", "blocks_unsure_pairs"):
        assert len(read_table(Path(f"artifacts/validate/{name}.parquet"))) == 0
