"""Complete blocks are read with care, and every product of one counts in its metrics."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml.core.errors import UserError
from ml.evaluate.complete_blocks import CompleteBlocks, build_complete_blocks
from ml.evaluate.complete_evaluation import CompleteEvaluation
from ml.evaluate.metric_words import COMPLETE_METRICS
from ml.grouping.calibration import Calibration
from ml.snapshot.shop import open_shop

HEADER = "product_id,image,brand,gender,article_type\n"


def small_shop(folder: Path, blocks: str, unsure: str | None = None) -> Path:
    """A shop of the products a, b and c, of one block."""
    rows = "".join(f"{one},{one}.jpg,x,Men,Tee\n" for one in "abc")
    (folder / "catalog.csv").write_text(HEADER + rows)
    (folder / "blocks.csv").write_text(blocks)
    if unsure is not None:
        (folder / "blocks_unsure_pairs.csv").write_text(unsure)
    return folder


def test_complete_blocks_are_read_under_the_shops_own_names_and_keep_other_columns(
    tmp_path: Path,
) -> None:
    shop = small_shop(tmp_path, "sku,style,by\na,1,ada\nb,1,ada\n", "left,right\na,b\n")
    opened = open_shop(str(shop), {"sku": "product_id", "style": "design"})
    assert opened.blocks is not None
    assert opened.unsure_pairs is not None
    assert opened.blocks.to_dict("list") == {
        "product_id": ["a", "b"],
        "design": ["1", "1"],
        "by": ["ada", "ada"],
    }
    assert opened.unsure_pairs.to_numpy().tolist() == [["a", "b"]]


@pytest.mark.parametrize(
    ("blocks", "unsure", "words"),
    [
        ("product_id\na\n", None, ["the blocks table", "lacks the column design"]),
        ("product_id,design\na,1\nb,\n", None, ["blocks of", "line 3", "filled in"]),
        ("product_id,design\na,1\nb,1\na,2\n", None, ["line 4", "'a'", "in line 2 already"]),
        ("product_id,design\na,1\n", "left,right\na,a\n", ["line 2", "paired with itself"]),
        ("product_id,design\na,1\n", "left,right\na,z\n", ["unsure", "line 2", "'z'"]),
        ("product_id,design\na,1\n", "left,right\na,\n", ["unsure", "line 2", "filled in"]),
    ],
    ids=["no design", "blank", "twice", "self", "unknown", "blank pair"],
)
def test_what_complete_blocks_cannot_say_is_refused_with_its_line(
    tmp_path: Path, blocks: str, unsure: str | None, words: list[str]
) -> None:
    with pytest.raises(UserError) as caught:
        open_shop(str(small_shop(tmp_path, blocks, unsure)))
    for word in words:
        assert word in str(caught.value)


def products_of(blocks: str) -> pd.DataFrame:
    """Products a, b, … each of the brand that is its letter in `blocks`."""
    names = [chr(ord("a") + place) for place in range(len(blocks))]
    return pd.DataFrame(
        {"product_id": names, "brand": list(blocks), "gender": "Men", "article_type": "Tee"}
    )


def truth_of(blocks: str, designs: str, unsure: tuple[str, ...] = ()) -> CompleteBlocks:
    """Complete blocks of products a, b, …; a blank is a product that no block table has."""
    products = products_of(blocks)
    table = pd.DataFrame({"product_id": products["product_id"], "design": list(designs)})
    pairs = pd.DataFrame([list(pair) for pair in unsure], columns=["left", "right"])
    return build_complete_blocks(products, table[table["design"] != " "], pairs)


def test_all_pairs_of_a_block_count_but_the_unsure_ones() -> None:
    truth = truth_of("xxxyyz", "1121 1", unsure=("ac", "af"))
    assert truth.indices.tolist() == [0, 1, 2, 3, 5]
    pairs = zip(truth.pairs.left, truth.pairs.right, truth.pairs.label, strict=True)
    assert [tuple(map(int, pair)) for pair in pairs] == [(0, 1, 1), (1, 2, 0)]
    assert truth.design.tolist() == [0, 0, 1, 2, 3]  # a name in two blocks is two designs


def metrics_of(truth: CompleteBlocks, groups: str) -> dict[str, float | None]:
    random = np.random.default_rng(0)
    embeddings = random.normal(size=(len(truth.indices), 4))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    group = np.array([ord(one) for one in groups])
    measured = CompleteEvaluation(embeddings, truth, 20, seed=0)
    group = np.unique(group, return_inverse=True)[1]
    found = measured.metrics(group, Calibration(1.0, 0.0, 0.1), 0.0)
    assert found.keys() == COMPLETE_METRICS.keys()
    return {name: one["value"] for name, one in found.items()}


def test_metrics_of_groups_are_those_counted_by_hand() -> None:
    #                 designs:  1 1 1 2 2 3 | 4 4 5 5     groups:  A A B B B C | D D E F
    found = metrics_of(truth_of("xxxxxxyyyy", "1112234455"), "AABBBCDDEF")
    assert found["group_precision"] == pytest.approx(2 / 3)  # A and D of A, B and D
    assert found["designs_exact"] == pytest.approx(1 / 4)  # 4 of 1, 2, 4, 5
    assert found["designs_joined"] == pytest.approx(2 / 4)  # 2, though not alone, and 4
    assert found["pair_precision"] == pytest.approx(3 / 5)
    assert found["pair_recall"] == pytest.approx(3 / 6)
    precision = [1, 1, 1 / 3, 2 / 3, 2 / 3, 1, 1, 1, 1, 1]
    assert found["bcubed_precision"] == pytest.approx(np.mean(precision))
    recall = [2 / 3, 2 / 3, 1 / 3, 1, 1, 1, 1, 1, 1 / 2, 1 / 2]
    assert found["bcubed_recall"] == pytest.approx(np.mean(recall))


def test_unsure_pairs_are_neither_right_nor_wrong() -> None:
    truth = truth_of("xxxxx", "11233", unsure=("ac", "bc", "de"))
    found = metrics_of(truth, "AAADD")
    assert found["group_precision"] == 1  # of D no pair is decided: it does not count
    assert found["designs_exact"] == found["pair_precision"] == found["bcubed_precision"] == 1


def test_blocks_are_resampled_whole() -> None:
    truth = truth_of("xxxyyy", "112112")
    measured = CompleteEvaluation(np.eye(6), truth, 200, seed=0)
    draws = measured.group_draws(np.array([0, 0, 1, 2, 2, 2]))["group_precision"]
    assert set(np.round(draws, 3)) == {0, 0.5, 1}
