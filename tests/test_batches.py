"""Batches hold train products and their annotated variants, and nothing of other splits."""

import numpy as np
import pandas as pd
import pytest
import torch

from ml.train.batches import AnnotatedBatches, Batches, VariantBatches
from ml.train.pair_labels import PairLabels, build_pair_labels

COUNT = 12


@pytest.fixture
def products() -> pd.DataFrame:
    """Two blocks of four train products each, and four products of another split."""
    return pd.DataFrame(
        {
            "product_id": [f"p{row}" for row in range(COUNT)],
            "brand": ["A"] * 4 + ["B"] * 4 + ["C"] * 4,
            "gender": "Women",
            "article_type": "Tops",
            "split": ["train"] * 8 + ["test"] * 4,
        }
    )


@pytest.fixture
def labels(products: pd.DataFrame) -> PairLabels:
    """p0 and p1 are variants, p2 is another design; p4, p5 and p6 are variants.

    p8 and p9 are variants too, but belong to the test split.
    """
    pairs = pd.DataFrame(
        [("p0", "p1", 1), ("p0", "p2", 0), ("p4", "p5", 1), ("p5", "p6", 1), ("p8", "p9", 1)],
        columns=["left", "right", "color_variants"],
    )
    return build_pair_labels(products, pairs, np.flatnonzero(products["split"] == "train"))


def arrays() -> tuple[np.ndarray, np.ndarray]:
    """Pictures whose every pixel is the product's index, and masks."""
    indices = np.arange(COUNT, dtype=np.uint8)
    pictures = np.broadcast_to(indices[:, None, None, None], (COUNT, 4, 4, 3)).copy()
    return pictures, np.zeros((COUNT, 4, 4), np.uint8)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_labels_know_designs_of_the_train_split_only(labels: PairLabels) -> None:
    assert labels.annotated.tolist() == [0, 1, 2, 4, 5, 6]
    assert labels.paired.tolist() == [0, 1, 4, 5, 6]
    assert labels.design[0] == labels.design[1]
    assert labels.design[4] == labels.design[5] == labels.design[6]
    # Every other product is a design of its own.
    assert len({int(labels.design[one]) for one in (0, 2, 3, 4, 7, 8, 9, 10, 11)}) == 9
    assert labels.block[[0, 1, 2]].tolist() == [labels.block[0]] * 3
    assert labels.block[3] == labels.block[8] == -1


def test_a_variant_is_another_product_of_the_design_or_the_product_itself(
    labels: PairLabels,
) -> None:
    indices = np.array([0, 2, 3, 4] * 50)
    found = labels.variants(indices, seeded())
    assert set(found[0::4]) == {1}
    assert set(found[1::4]) == {2}
    assert set(found[2::4]) == {3}
    assert set(found[3::4]) == {5, 6}


def test_without_labels_every_train_product_comes_once_an_epoch_and_is_its_own_second_view() -> (
    None
):
    batches = Batches(*arrays(), np.arange(8), 4, seeded())
    epoch = list(batches)
    assert len(epoch) == len(batches) == 2
    assert sorted(int(one) for batch in epoch for one in batch.ids) == list(range(8))
    assert all(torch.equal(batch.pictures, batch.variants) for batch in epoch)


def test_a_share_of_each_batch_is_drawn_from_products_with_variants(labels: PairLabels) -> None:
    batches = VariantBatches(*arrays(), np.arange(8), 4, seeded(), labels, share=0.5)
    epoch = list(batches)
    assert len(epoch) == len(batches) == 4
    seen = np.concatenate([batch.pictures[:, 0, 0, 0].numpy() for batch in epoch])
    # Each comes once as one of all products, and those with variants come more often.
    assert set(seen) == set(range(8))
    for batch in epoch:
        shown, second = batch.pictures[:, 0, 0, 0].tolist(), batch.variants[:, 0, 0, 0].tolist()
        assert sum(index in labels.paired for index in shown) >= 2
        for index, other, known in zip(shown, second, batch.ids.tolist(), strict=True):
            assert labels.design[other] == labels.design[index] == known
            assert (other != index) == (index in labels.paired)


def test_the_supervised_batches_hold_whole_blocks_of_annotated_products(labels: PairLabels) -> None:
    batches = AnnotatedBatches(*arrays(), labels.annotated, 3, seeded(), labels)
    for batch in batches:
        blocks = labels.block[batch.pictures[:, 0, 0, 0].numpy()]
        assert len(set(blocks.tolist())) == 1
        assert -1 not in blocks


def test_batches_depend_on_the_generator_only(labels: PairLabels) -> None:
    def epoch(seed: int) -> list[list[int]]:
        batches = VariantBatches(*arrays(), np.arange(8), 4, seeded(seed), labels, share=0.5)
        return [
            batch.pictures[:, 0, 0, 0].tolist() + batch.variants[:, 0, 0, 0].tolist()
            for batch in batches
        ]

    assert epoch(3) == epoch(3)
    assert epoch(3) != epoch(4)


def test_without_any_variants_the_batches_are_those_of_the_unlabelled_method(
    products: pd.DataFrame,
) -> None:
    pairs = pd.DataFrame([("p0", "p2", 0)], columns=["left", "right", "color_variants"])
    labels = build_pair_labels(products, pairs, np.arange(8))
    batches = VariantBatches(*arrays(), np.arange(8), 4, seeded(), labels, share=0.5)
    assert len(list(batches)) == 2
