"""The generated shop keeps its promises.

The same arguments give the same bytes, a larger shop begins with the smaller one, the tables are
in the public format, and the pairs agree.
"""

import hashlib
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml.core.errors import UserError
from ml.data.images import decode
from ml.snapshot.shop import open_shop
from ml.synthetic import blocks as synthetic_blocks
from ml.synthetic import generate_shop
from ml.synthetic.blocks import Block
from ml.synthetic.designs import DISTINCT, difference, sketch
from ml.synthetic.shop import CATALOG, PAIRS, product_id

SMALL, LARGE, SEED = 30, 45, 7
make_block = lru_cache(maxsize=None)(synthetic_blocks.make_block)  # many tests use the same blocks


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shops") / "large"
    generate_shop(folder, LARGE, SEED)
    return folder


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shops") / "small"
    generate_shop(folder, SMALL, SEED)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def table(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / f"{name}.csv", dtype=str, keep_default_na=False)


def sold(products: int, seed: int) -> list[tuple[Block, int]]:
    """The blocks of a shop, each with its number of products, without pictures."""
    blocks: list[tuple[Block, int]] = []
    while (left := products - sum(count for _, count in blocks)) > 0:
        block = make_block(len(blocks), seed)
        blocks.append((block, min(left, len(block.items))))
    return blocks


def split(brand: str) -> str:
    share = int(hashlib.sha256(brand.encode()).hexdigest()[:8], 16) / 2**32
    return "test" if share < 0.2 else "dev" if share < 0.4 else "train"


def test_a_recoloured_shop_shows_the_colourways_of_a_design_in_one_pose(
    small: Path, tmp_path: Path
) -> None:
    generate_shop(tmp_path / "shop", SMALL, SEED, recoloured=True)
    recoloured = contents(tmp_path / "shop")
    tables = ("catalog.csv", "pairs.csv", "blocks.csv")
    assert {name: recoloured[name] for name in tables} == {
        name: contents(small)[name] for name in tables
    }
    pairs = table(small, "pairs")
    variants = pairs[(pairs["color_variants"] == "1") & (pairs["confidence"] != "low")]

    def moved(shop: dict[str, bytes], left: str, right: str) -> float:
        """Share of the picture that only one of two products covers; the backdrops are light."""
        empty = [
            decode(shop[f"images/{name}.jpg"]).astype(int).max(axis=2) > 225
            for name in (left, right)
        ]
        return float((empty[0] != empty[1]).mean())

    ends = [*zip(variants["left"], variants["right"], strict=True)]
    assert len(ends) > 5
    still, apart = (
        np.median([moved(shop, *pair) for pair in ends]) for shop in (recoloured, contents(small))
    )
    assert still < apart / 2, (still, apart)


def test_the_same_arguments_give_the_same_bytes(small: Path, tmp_path: Path) -> None:
    generate_shop(tmp_path / "again", SMALL, SEED)
    assert contents(tmp_path / "again") == contents(small)


def test_another_seed_gives_another_shop(small: Path, tmp_path: Path) -> None:
    generate_shop(tmp_path / "other", 3, SEED + 1)
    assert not set(contents(tmp_path / "other").values()) & set(contents(small).values())


def test_a_larger_shop_begins_with_the_smaller_one(small: Path, large: Path) -> None:
    pd.testing.assert_frame_equal(table(large, "catalog").head(SMALL), table(small, "catalog"))
    pictures = {name: content for name, content in contents(small).items() if name.endswith(".jpg")}
    assert len(pictures) == SMALL
    assert pictures.items() <= contents(large).items()


def test_a_larger_shop_keeps_every_pair_of_the_smaller_one(small: Path, large: Path) -> None:
    assert set(table(small, "pairs").itertuples(index=False)) <= set(
        table(large, "pairs").itertuples(index=False)
    )


def test_the_tables_are_a_shop_in_the_public_format(large: Path) -> None:
    shop = open_shop(str(large))
    assert shop.pairs is not None
    assert list(shop.catalog.columns) == CATALOG
    assert list(shop.pairs.columns) == PAIRS
    assert (
        len(shop.catalog)
        == shop.catalog["product_id"].nunique()
        == shop.catalog["image"].nunique()
        == LARGE
    )
    assert shop.catalog.notna().all(axis=None)
    assert all(shop.read_picture(image) for image in shop.catalog["image"])
    assert shop.pairs["color_variants"].isin([0, 1]).all()
    assert set(shop.pairs["confidence"]) <= {"high", "medium", "low"}
    assert set(shop.pairs["annotator"]) == {"generator"}


def test_pairs_lie_within_one_block_and_come_once(large: Path) -> None:
    catalog, pairs = table(large, "catalog").set_index("product_id"), table(large, "pairs")
    block = ["brand", "gender", "article_type"]
    left, right = catalog.loc[pairs["left"], block], catalog.loc[pairs["right"], block]
    assert (left.to_numpy() == right.to_numpy()).all()
    assert (pairs["left"] != pairs["right"]).all()
    assert len(
        {frozenset(pair) for pair in zip(pairs["left"], pairs["right"], strict=True)}
    ) == len(pairs)


def test_ids_are_unique_and_in_no_order() -> None:
    ids = [product_id(index, SEED) for index in range(5000)]
    assert len(set(ids)) == len(ids)
    assert ids != sorted(ids)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_pairs_that_are_sure_never_contradict_each_other(seed: int) -> None:
    for block, _ in sold(300, seed):
        sure = [pair for pair in block.pairs if pair.confidence != "low"]
        for left, right, label, _ in sure:
            assert label == int(block.items[left].design == block.items[right].design)
        variants = [
            (a, b)
            for a in range(len(block.items))
            for b in range(a)
            if block.items[a].design == block.items[b].design
        ]
        assert {frozenset(pair) for pair in variants} <= {
            frozenset(pair[:2]) for pair in block.pairs
        }


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_few_pairs_are_unsure_and_both_labels_are_common(seed: int) -> None:
    pairs = [pair for block, _ in sold(600, seed) for pair in block.pairs]
    assert 0.01 < np.mean([pair.confidence == "low" for pair in pairs]) < 0.08
    assert 0.2 < np.mean([pair.color_variants for pair in pairs]) < 0.5


@pytest.mark.parametrize("products", [120, 240, 600])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_split_has_two_brands_with_both_labels(products: int, seed: int) -> None:
    labels: dict[str, set[int]] = {}
    for block, count in sold(products, seed):
        pairs = [pair for pair in block.pairs if pair.right < count and pair.confidence != "low"]
        labels.setdefault(block.brand, set()).update(pair.color_variants for pair in pairs)
    full = [split(brand) for brand, found in labels.items() if found == {0, 1}]
    assert {part: full.count(part) >= 2 for part in ("train", "dev", "test")} == dict.fromkeys(
        ("train", "dev", "test"), True
    )
    assert len(labels) <= 24


def test_blocks_are_populated_and_no_two_are_the_same() -> None:
    blocks = [make_block(number, SEED) for number in range(60)]
    assert all(7 <= len(block.items) <= 14 and 3 <= len(block.designs) <= 6 for block in blocks)
    assert len({(block.brand, block.gender, block.article.name) for block in blocks}) == len(blocks)
    assert all(len(set(block.items)) == len(block.items) for block in blocks), (
        "a design is sold once in each colour"
    )


def test_designs_of_a_block_differ_to_the_eye() -> None:
    for block in (make_block(number, SEED) for number in range(14)):
        sketches = [sketch(design) for design in block.designs]
        apart = [difference(a, b) for number, a in enumerate(sketches) for b in sketches[:number]]
        assert min(apart) >= DISTINCT


def test_pictures_are_whole_and_show_a_product(large: Path) -> None:
    for path in (large / "images").iterdir():
        picture = decode(path.read_bytes())
        assert picture.shape == (224, 224, 3)
        corners = picture[[2, 2, -3, -3], [2, -3, 2, -3]].astype(int)
        assert np.ptp(corners, axis=0).max() < 30, "a near-uniform background"
        product = np.abs(picture.astype(int) - np.median(corners, axis=0)).max(axis=2) > 12
        rows, columns = (
            np.flatnonzero(product.mean(axis=1) > 0.02),
            np.flatnonzero(product.mean(axis=0) > 0.02),
        )
        assert 0.55 * 224 < max(np.ptp(rows), np.ptp(columns)) < 0.97 * 224


def test_progress_is_reported_after_every_picture(tmp_path: Path) -> None:
    reported: list[int] = []
    generate_shop(tmp_path / "shop", 4, 0, reported.append)
    assert reported == [1, 1, 1, 1]  # products done since the last call


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    generate_shop(tmp_path, 1, 0)
    assert len(open_shop(str(tmp_path)).catalog) == 1


def test_a_folder_with_something_in_it_is_left_untouched(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="not empty"):
        generate_shop(tmp_path / "shop", 2, 0)
    assert contents(tmp_path) == {"shop/mine.txt": b"mine"}


def test_a_file_in_the_folder_s_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "shop").write_text("mine")
    with pytest.raises(UserError, match="not a folder"):
        generate_shop(tmp_path / "shop", 2, 0)


def test_a_failure_half_way_leaves_nothing_behind(tmp_path: Path) -> None:
    def stop(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate_shop(tmp_path / "shop", 3, 0, stop)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("products", "seed"), [(0, 0), (-3, 0), (5, -1)])
def test_numbers_out_of_range_are_refused(tmp_path: Path, products: int, seed: int) -> None:
    with pytest.raises(UserError):
        generate_shop(tmp_path / "shop", products, seed)
    assert not list(tmp_path.iterdir())
