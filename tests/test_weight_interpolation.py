"""Interpolated weights lie between the initial and the trained ones."""

import pytest
import torch

from ml.train.weight_interpolation import interpolate_weights


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_weights_lie_on_the_way_from_the_initial_to_the_trained_ones(share: float) -> None:
    initial = {"weight": torch.zeros(2, 3), "steps": torch.tensor(0)}
    trained = {"weight": torch.ones(2, 3), "steps": torch.tensor(7)}
    blended = interpolate_weights(initial, trained, share)
    torch.testing.assert_close(blended["weight"], torch.full((2, 3), share))
    assert int(blended["steps"]) == 7
    assert float(trained["weight"].min()) == 1  # training continues from unchanged weights
