"""Stage validate: checks the snapshot against the data contract and passes on what is usable."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from ml.core.errors import UserError
from ml.core.files import read_json, read_table, remove, write_json, write_table
from ml.core.params import Params, load_params
from ml.core.paths import CONTRACT, PARAMS, PREVIOUS, REFUSED_ROWS, SNAPSHOT, VALIDATED
from ml.data.annotations import repeated
from ml.data.blocks import block_numbers, fill_unknown
from ml.data.schema import BLOCK, CATALOG_COLUMNS
from ml.validate.complete_blocks import complete_blocks, describe_blocks
from ml.validate.contract import broken, check_contract
from ml.validate.contract_page import write_contract_page
from ml.validate.contradictions import contradicts
from ml.validate.image_checks import inspect_pictures
from ml.validate.split import PROVES, SPLITS, choose_split_by, split_products, words_of

OPTIONAL = {  # tables that a snapshot may lack → their columns
    "pairs": ["left", "right", "color_variants", "confidence"],
    "blocks": ["product_id", "design"],
    "blocks_unsure_pairs": ["left", "right"],
}


class ValidateParams(Params):
    """The params under `validate` in params.yaml."""

    genders: list[str] = Field(min_length=1, description="vocabulary; other words cause a warning")
    smallest_side: int = Field(gt=0, description="pixels; smaller pictures cause a warning")
    quarantine_share: float = Field(
        ge=0, le=1, description="share of pictures that may be unusable"
    )
    duplicate_share: float = Field(
        ge=0, le=1, description="a larger share of near-duplicate pictures causes a warning"
    )
    unknown_pairs_share: float = Field(
        ge=0, le=1, description="share of pairs that may name unknown products"
    )
    volume_collapse: float = Field(
        ge=0, le=1, description="refuse a catalogue smaller than this share of the previous"
    )
    volume_change: float = Field(
        ge=0, description="warn of a catalogue that grew or shrank by more than this share"
    )
    split_by: Literal["auto", "brand", "design_family", "product"] = Field(
        description="what is split into train, dev and test; auto: as before, or as the catalogue "
        "allows"
    )


def main(
    snapshot: Path = SNAPSHOT,
    previous: Path = PREVIOUS,
    contract: Path = CONTRACT,
    params_file: Path = PARAMS,
    out: Path = VALIDATED,
) -> None:
    """Checks the snapshot against the Great Expectations suites, and stops at critical failures.

    Writes contract.html, contract.json, products.parquet, pairs.parquet, blocks.parquet,
    blocks_unsure_pairs.parquet, quarantine.parquet and split.json; of a refused snapshot only the
    first two, and refused_rows.json.
    """
    params = load_params("validate", ValidateParams, params_file)
    if not (snapshot / "catalog.parquet").is_file():
        raise UserError(
            f"there is no snapshot in {snapshot}: make one with `variants snapshot SHOP`"
        )
    catalog = read_table(snapshot / "catalog.parquet")
    pairs, blocks, unsure = (
        read_table(snapshot / f"{name}.parquet")
        if (snapshot / f"{name}.parquet").is_file()
        else pd.DataFrame(columns=columns, dtype=str)
        for name, columns in OPTIONAL.items()
    )
    earlier = read_json(previous)
    by = earlier.get("split_by") or choose_split_by(catalog)
    by = by if params.split_by == "auto" else params.split_by
    split = split_products(fill_unknown(catalog), by)
    pictures = inspect_pictures(catalog, snapshot / "images")
    known = set(pictures.loc[pictures["usable"], "product_id"])
    tables = {"products": describe_products(catalog, split), "pictures": pictures}
    if len(pairs):
        tables["pairs"] = describe_pairs(pairs, catalog, known, split)
    if len(blocks):
        tables["blocks"] = describe_blocks(blocks, catalog, known)
    naming = {"products": list(CATALOG_COLUMNS), "pictures": ["product_id", "image", "reason"]}
    naming |= OPTIONAL
    limits = contract_limits(params, earlier["products"])
    rules = check_contract(tables, naming, limits, contract)
    failures, warnings = broken(rules, "critical"), broken(rules, "warning")
    keep_refused_rows(rules, out / REFUSED_ROWS)
    found = {"passed": not failures, "products": len(catalog), "pairs": len(pairs), "rules": rules}
    write_json(out / "contract.json", found)
    write_contract_page(out / "contract.html", found, catalog, pictures, snapshot / "images")
    for warning in warnings:
        print(f"warning: {warning}", flush=True)
    if failures:
        raise UserError("the snapshot breaks the data contract:\n  " + "\n  ".join(failures))
    accept(catalog.assign(split=split), pairs, pictures, out)
    whole = complete_blocks(blocks, catalog, known)
    write_table(out / "blocks.parquet", whole)
    write_table(out / "blocks_unsure_pairs.parquet", among(unsure, set(whole["product_id"])))
    counts = {name: int((split == name).sum()) for name in SPLITS}
    write_json(out / "split.json", {"by": by, "proves": PROVES[by], "products": counts})


def keep_refused_rows(rules: list[dict[str, Any]], file: Path) -> None:
    """Writes each row that breaks a critical rule to a JSON file; without one, there is no file.

    Args:
        rules: of `check_contract`; their long lists `offending` are removed.
    """
    rows = [
        {"table": rule["table"], "rule": rule["rule"], "row": row}
        for rule in rules
        for row in rule.pop("offending")
        if rule["severity"] == "critical" and not rule["success"]
    ]
    remove(file)
    if rows:
        write_json(file, rows)


def accept(catalog: pd.DataFrame, pairs: pd.DataFrame, pictures: pd.DataFrame, out: Path) -> None:
    """Writes the usable products and pairs to products.parquet and pairs.parquet.

    A missing brand, gender or article type becomes "unknown". Products with unusable pictures, and
    the reasons, go to quarantine.parquet.
    """
    usable = pictures["usable"].to_numpy(bool)
    write_table(out / "products.parquet", fill_unknown(catalog[usable]))
    known = set(catalog.loc[usable, "product_id"])
    write_table(out / "pairs.parquet", among(pairs, known))
    write_table(
        out / "quarantine.parquet", pictures.loc[~usable, ["product_id", "image", "reason"]]
    )


def among(pairs: pd.DataFrame, known: set[str]) -> pd.DataFrame:
    """Returns the pairs (left, right) of which both products are known."""
    return pairs[pairs["left"].isin(known) & pairs["right"].isin(known)]


def contract_limits(params: ValidateParams, previous: int | None) -> dict[str, object]:
    """Returns the suites' parameters; without a previous snapshot any volume is accepted."""
    return {
        "genders": params.genders,
        "smallest_side": params.smallest_side,
        "usable_share": 1 - params.quarantine_share,
        "distinct_share": 1 - params.duplicate_share,
        "known_share": 1 - params.unknown_pairs_share,
        "volume_collapse": 1
        if previous is None
        else int(np.ceil(previous * params.volume_collapse)),
        "volume_low": 1
        if previous is None
        else int(np.ceil(previous * (1 - params.volume_change))),
        "volume_high": 10**9 if previous is None else int(previous * (1 + params.volume_change)),
    }


def describe_products(catalog: pd.DataFrame, split: pd.Series) -> pd.DataFrame:
    """Adds two columns that the suite checks: split and spellings.

    Spellings is the number of spellings of the product's brand or article type, the larger of both.
    They differ in case, accents, spaces and punctuation only.
    """
    table = catalog.assign(split=split)
    spellings = [
        table.groupby(table[column].map(_sound, na_action="ignore"))[column].transform("nunique")
        for column in BLOCK[::2]
    ]
    table["spellings"] = pd.concat(spellings, axis=1).fillna(1).max(axis=1)
    return table


def _sound(name: str) -> str:
    return "".join(words_of(name)) or name


def describe_pairs(
    pairs: pd.DataFrame, catalog: pd.DataFrame, known: set[str], split: pd.Series
) -> pd.DataFrame:
    """Adds the columns that the suite checks.

    They are confidence ("high" if it is absent), self_pair, known (both products are usable),
    same_block, same_split, repeated, and contradiction (see `contradicts`).
    """
    table = pairs.copy()
    table["confidence"] = table["confidence"].fillna("high") if "confidence" in table else "high"
    table["self_pair"] = table["left"] == table["right"]
    table["known"] = table["left"].isin(known) & table["right"].isin(known)
    first = catalog.assign(split=split).drop_duplicates("product_id").set_index("product_id")
    block = pd.Series(block_numbers(first), first.index)
    for name, of in (("same_block", block), ("same_split", first["split"])):
        table[name] = ~table["known"] | (table["left"].map(of) == table["right"].map(of))
    table["repeated"] = repeated(table)
    table["contradiction"] = contradicts(table)
    return table
