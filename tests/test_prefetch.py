"""Batches reach the device whole and in order."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from ml.train.batches import Batch, Batches
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


@pytest.mark.parametrize(("device", "ahead"), [("cpu", 0), ("cuda", 1)])
def test_no_batch_is_read_ahead_on_the_cpu_and_one_is_on_a_gpu(device: str, ahead: int) -> None:
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("there is no GPU here")
    read: list[Batch] = []

    def source() -> Iterator[Batch]:
        for batch in batches():
            read.append(batch)
            yield batch

    fetched = prefetch(source(), torch.device(device))
    assert len(read) == 0
    next(fetched)
    fetched.close()  # on a GPU this waits for the thread
    assert len(read) == 1 + ahead
