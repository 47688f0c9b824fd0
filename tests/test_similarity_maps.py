"""The maps of similarity show where the similarity of each slice comes from."""

import pytest
import torch
from tiny import random_views, tiny_encoder
from torch.nn import functional

from benchmarks.similarity_maps import relevance
from ml.model.encoder import SLICES


@pytest.mark.parametrize("slices", sorted(SLICES))
def test_the_cells_of_a_part_add_up_to_its_similarity(slices: str) -> None:
    encoder = tiny_encoder(slices=slices).eval()
    left, right = random_views(3, 96)
    with torch.inference_mode():
        parts = [functional.normalize(encoder.parts(view), dim=2) for view in (left, right)]
    maps = relevance(encoder, left, right)
    torch.testing.assert_close(
        maps.sum(dim=(2, 3)), (parts[0] * parts[1]).sum(dim=2), atol=1e-4, rtol=0
    )


def test_a_slice_looks_only_at_its_own_place() -> None:
    maps = relevance(tiny_encoder(slices="quadrants"), *random_views(2, 128))  # 4 × 4 cells
    upper_left = maps[:, 1]
    assert float(upper_left[:, :2, :2].abs().min()) > 0
    assert float(upper_left[:, 2:].abs().max()) == float(upper_left[:, :, 2:].abs().max()) == 0


def test_slices_of_the_picture_have_no_common_map() -> None:
    with pytest.raises(ValueError, match="no common feature map"):
        relevance(tiny_encoder(slices_from="picture"), *random_views(1, 64))
