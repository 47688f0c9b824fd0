"""Augmented views look like other colourways of the same product."""

import numpy as np
import pytest
import torch

from ml.train.augment import AugmentParams, hue_rotation, make_views, move, recolour
from ml.train.batches import Batch

STILL = {"scale": 0.0, "shift": 0.0, "rotate": 0.0, "flip": False}
COLOUR = {"hue": 1.0, "saturation": 2.0, "gamma": 2.5, "invert": 0.3, "tint": 0.3, "parts": 0.5}
OFF = {"hue": 0.0, "saturation": 1.0, "gamma": 1.0, "invert": 0.0, "tint": 0.0, "parts": 0.0}


def params(**changed: float | bool) -> AugmentParams:
    return AugmentParams(**{**COLOUR, **STILL, **changed})


def batch(size: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    """Random products in the middle of a white background: pictures and masks, uint8."""
    random = np.random.default_rng(0)
    pictures = np.full((size, 32, 32, 3), 255, np.uint8)
    pictures[:, 8:24, 8:24] = random.integers(20, 230, (size, 16, 16, 3), dtype=np.uint8)
    masks = np.zeros((size, 32, 32), np.uint8)
    masks[:, 8:24, 8:24] = 255
    return torch.from_numpy(pictures), torch.from_numpy(masks)


def twice(pictures: torch.Tensor, masks: torch.Tensor) -> Batch:
    """Both views of the same picture, as without labels."""
    return Batch(
        pictures, masks, pictures, masks, torch.arange(len(pictures)), torch.zeros(len(pictures))
    )


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_views_have_the_shape_and_range_that_the_encoder_takes() -> None:
    first, second = make_views(
        twice(*batch()), params(flip=True, scale=0.1, shift=0.1, rotate=10.0), generator()
    )
    for view in (first, second):
        assert view.shape == (8, 3, 32, 32)
        assert view.dtype == torch.float32
        assert float(view.min()) >= 0
        assert float(view.max()) <= 1
    assert not torch.allclose(first, second)


def test_views_depend_on_the_generator_only() -> None:
    one, other = (
        make_views(twice(*batch()), params(), generator(3)),
        make_views(twice(*batch()), params(), generator(3)),
    )
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert not torch.equal(one[0], make_views(twice(*batch()), params(), generator(4))[0])


def test_the_background_keeps_its_colour() -> None:
    pictures, masks = batch()
    view, _ = make_views(twice(pictures, masks), params(), generator())
    outside = masks.unsqueeze(1).expand(-1, 3, -1, -1) == 0
    torch.testing.assert_close(view[outside], torch.ones_like(view[outside]))
    assert not torch.allclose(view, pictures.permute(0, 3, 1, 2) / 255, atol=0.05)


def test_with_every_param_off_a_picture_stays_as_it_is() -> None:
    pictures, masks = batch()
    plain = pictures.permute(0, 3, 1, 2).float() / 255
    still = AugmentParams(**{**OFF, **STILL, "hue": 0.0})
    # Saturation is drawn from 0 … 1 even then, so the test compares luminance, which saturation
    # keeps.
    view, _ = make_views(twice(pictures, masks), still, generator())
    weights = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    torch.testing.assert_close((view * weights).sum(1), (plain * weights).sum(1), atol=0.03, rtol=0)


def test_turning_hue_keeps_what_is_gray_and_a_full_turn_changes_nothing() -> None:
    colours = batch()[0].permute(0, 3, 1, 2).flatten(2).float() / 255
    whole = hue_rotation(torch.full((8, 1, 1), 2 * torch.pi)) @ colours
    torch.testing.assert_close(whole, colours, atol=1e-5, rtol=0)
    turned = hue_rotation(torch.full((8, 1, 1), 2.0)) @ colours
    torch.testing.assert_close(turned.norm(dim=1), colours.norm(dim=1), atol=1e-5, rtol=0)
    torch.testing.assert_close(turned.mean(1), colours.mean(1), atol=1e-5, rtol=0)
    gray = colours[:, :1].expand(-1, 3, -1)
    torch.testing.assert_close(
        hue_rotation(torch.full((8, 1, 1), 2.0)) @ gray, gray, atol=1e-5, rtol=0
    )


def test_a_gray_product_takes_on_colour_through_tint_and_inverts_through_luminance() -> None:
    gray = torch.full((64, 3, 8, 8), 0.2)
    everywhere = torch.ones(64, 1, 8, 8)
    tinted = recolour(gray, everywhere, params(), generator())
    assert float((tinted.amax(1) - tinted.amin(1)).mean()) > 0.02
    inverted = recolour(
        gray, everywhere, params(invert=1.0, tint=0.0, gamma=1.0, parts=0.0), generator()
    )
    torch.testing.assert_close(inverted, torch.full_like(inverted, 0.8), atol=1e-4, rtol=0)


def test_a_stripe_may_keep_its_colour_while_the_rest_changes_and_else_all_changes_alike() -> None:
    striped = torch.full((64, 3, 8, 8), 0.2)
    striped[:, :, ::2] = 0.8
    everywhere = torch.ones(64, 1, 8, 8)

    def one_kept(parts: float) -> float:
        """Share of the pictures in which one colour is as it was and the other is not."""
        change = (
            (recolour(striped, everywhere, params(parts=parts), generator()) - striped)
            .abs()
            .amax(1)
        )
        kept = torch.stack([change[:, 0, 0] < 0.02, change[:, 1, 0] < 0.02])
        return float((kept[0] != kept[1]).float().mean())

    assert one_kept(0.0) < 0.1
    assert one_kept(1.0) > 0.15
    turned = recolour(striped, everywhere, params(parts=1.0), generator())
    apart = (turned[:, :, 0, 0] - turned[:, :, 1, 0]).mean(1)
    # Light on dark became dark on light in some pictures, and stayed so in others.
    assert float((apart > 0.1).float().mean()) > 0.1
    assert float((apart < -0.1).float().mean()) > 0.1


def test_both_views_are_mirrored_together_so_that_slices_keep_their_places() -> None:
    pictures, masks = batch(64)
    pictures[:, :, :16] = 0
    pictures[:, :, 16:] = 255
    off = AugmentParams(**{**OFF, **STILL, "flip": True})
    first, second = make_views(twice(pictures, masks), off, generator())
    left_dark = [
        view[:, :, :, :8].mean((1, 2, 3)) < view[:, :, :, -8:].mean((1, 2, 3))
        for view in (first, second)
    ]
    assert torch.equal(left_dark[0], left_dark[1])
    assert 10 < int(left_dark[0].sum()) < 54


def test_moving_by_nothing_is_exact_and_by_a_little_is_little() -> None:
    plain = batch()[0].permute(0, 3, 1, 2).float() / 255
    ones = torch.ones(8)
    torch.testing.assert_close(move(plain, ones, params(), generator()), plain, atol=1e-5, rtol=0)
    torch.testing.assert_close(
        move(plain, -ones, params(), generator()), plain.flip(3), atol=1e-5, rtol=0
    )
    moved = move(plain, ones, params(shift=0.05), generator())
    assert 0 < float((moved - plain).abs().mean()) < 0.25


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_views_are_made_on_the_gpu_without_leaving_it() -> None:
    pictures, masks = batch()
    random = torch.Generator("cuda").manual_seed(0)
    first, _ = make_views(twice(pictures.cuda(), masks.cuda()), params(), random)
    assert first.is_cuda
