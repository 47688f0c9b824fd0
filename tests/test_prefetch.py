"""Batches reach the device whole and in order."""

import numpy as np
import pytest
import torch

from ml.train.batches import Batches
from ml.train.prefetch import prefetch


def batches() -> Batches:
    random = np.random.default_rng(0)
    pictures = random.integers(0, 255, (12, 8, 8, 3), dtype=np.uint8)
    return Batches(pictures, pictures[..., 0], np.arange(12), 4, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_every_batch_arrives_as_it_was_in_the_same_order(device: str) -> None:
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("there is no GPU here")
    found = list(prefetch(batches(), torch.device(device)))
    expected = list(batches())
    assert len(found) == len(expected) == 3
    for left, right in zip(found, expected, strict=True):
        for moved, kept in zip(left, right, strict=True):
            assert moved.device.type == device
            assert torch.equal(moved.cpu(), kept)


def test_no_more_is_read_than_is_asked_for() -> None:
    source = prefetch(batches(), torch.device("cpu"))
    assert len(next(source).pictures) == 4
    source.close()
