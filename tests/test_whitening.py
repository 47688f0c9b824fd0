"""Whitening: all directions vary alike, on any number of products, in the same bytes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import random_views, tiny_encoder

from ml.evaluate.baselines import imagenet_gray_whitened
from ml.model.embedding import embed_pictures, set_whitening
from ml.model.encoder import load_encoder, save_encoder
from ml.model.whitening import fit_whitening
from ml.train.methods.pbcnet import PBCNet, PBCNetParams

PICTURES = np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)


def embeddings(products: int, size: int = 12) -> np.ndarray:
    """float32 (products, size), whose directions vary very differently."""
    random = np.random.default_rng(1)
    spread = np.geomspace(10, 0.1, size)
    turn = np.linalg.qr(random.normal(size=(size, size)))[0]
    return (random.normal(size=(products, size)) * spread @ turn + 3).astype(np.float32)


def test_with_many_products_the_kept_components_vary_alike_and_are_those_that_vary_most() -> None:
    found = embeddings(20_000)
    center, projection = fit_whitening(found, 5)
    assert center.dtype == projection.dtype == np.float32
    assert projection.shape == (12, 5)
    whitened = (found - center) @ projection
    covariance = np.cov(whitened.T)
    assert np.allclose(covariance, np.eye(5), atol=0.02)
    variance, axes = np.linalg.eigh(np.cov(found.T))
    kept = axes[:, ::-1][:, :5]  # the principal components, by another way
    assert np.allclose(np.abs(np.sum(kept * projection / np.linalg.norm(projection, axis=0), 0)), 1)
    assert variance[-5] > variance[-6]


def test_the_sign_of_each_component_is_fixed() -> None:
    projection = fit_whitening(embeddings(500), 6)[1]
    mirrored = fit_whitening(-embeddings(500), 6)[1]
    assert np.array_equal(np.abs(projection).argmax(axis=0), np.abs(mirrored).argmax(axis=0))
    assert (projection.max(axis=0) >= -projection.min(axis=0)).all()
    assert np.allclose(projection, mirrored, atol=1e-6)


def test_equal_embeddings_give_equal_bytes() -> None:
    first, second = (fit_whitening(embeddings(300), 6) for _ in range(2))
    assert all(a.tobytes() == b.tobytes() for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("products", [1, 2, 5, 12, 23])
def test_few_products_keep_every_direction_and_are_half_whitened(products: int) -> None:
    center, projection = fit_whitening(embeddings(products), 6)
    assert projection.shape == (12, 12)
    assert np.isfinite(projection).all()
    other = embeddings(40)[20:] - center  # what is new in others is kept
    assert np.linalg.matrix_rank(other @ projection) == 12
    length = np.linalg.norm(projection, axis=0)
    many = np.linalg.norm(fit_whitening(embeddings(20_000), 12)[1], axis=0)
    assert length.max() / length.min() < 1.3 * (many.max() / many.min()) ** 0.5


def test_variants_among_a_few_products_stay_nearer_than_others() -> None:
    random = np.random.default_rng(2)
    designs = random.normal(size=(20, 64))
    products = np.repeat(designs, 2, axis=0) + 0.3 * random.normal(size=(40, 64))
    center, projection = fit_whitening(products, 32)
    found = (products - center) @ projection
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    similarity = found @ found.T - 2 * np.eye(40)
    nearest = similarity.argmax(axis=1)
    assert (nearest // 2 == np.arange(40) // 2).all()
    pairs = similarity[np.arange(0, 40, 2), np.arange(1, 40, 2)]
    assert pairs.min() > 0.5  # wholly whitened, they would be as far as any two


def test_products_that_are_all_alike_are_only_centered() -> None:
    center, projection = fit_whitening(np.ones((9, 4), np.float32), 2)
    assert np.array_equal(center, np.ones(4))
    assert np.array_equal(projection, np.eye(4))


@pytest.mark.parametrize("components", [3, 64])  # of many products, and of few
def test_a_whitened_encoder_embeds_alike_after_saving(tmp_path: Path, components: int) -> None:
    encoder = tiny_encoder(slices="none", whitening=components)
    set_whitening(encoder, PICTURES)
    found = embed_pictures(encoder, PICTURES)
    assert found.shape == (12, 3 if components == 3 else encoder.joined_size)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    save_encoder(encoder, {}, tmp_path)
    loaded = load_encoder(tmp_path)[0]  # in another memory format: the last bits may differ
    assert np.allclose(embed_pictures(loaded, PICTURES), found, atol=1e-5)


def test_whitening_again_changes_nothing() -> None:
    encoder = tiny_encoder(slices="none", whitening=3)
    set_whitening(encoder, PICTURES)
    first = embed_pictures(encoder, PICTURES)
    set_whitening(encoder, PICTURES)
    assert np.array_equal(embed_pictures(encoder, PICTURES), first)


def test_features_are_contrasted_after_the_whitening_of_the_first_step_which_stays() -> None:
    torch.manual_seed(0)
    params = PBCNetParams(
        head="whitening", projection=8, queue=16, temperature=0.1, momentum=0.9, rival_weight=1
    )
    method = PBCNet(tiny_encoder(slices="none"), params)
    method.begin(PICTURES)
    pictures = torch.from_numpy(PICTURES).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        projected = method.projection_head(method.encoder.whole(pictures))
    assert torch.allclose(projected.mean(dim=0), torch.zeros(8), atol=1e-4)
    before = {name: one.clone() for name, one in method.projection_head.state_dict().items()}
    loss, _ = method(*random_views(size=32), torch.arange(4))
    loss.backward()
    assert all(one.grad is None for one in method.projection_head.parameters())
    assert any(one.grad is not None for one in method.encoder.parameters())
    method.on_step_end()
    for head in (method.projection_head, method.momentum_head):
        assert all(torch.equal(before[name], one) for name, one in head.state_dict().items())


def test_the_whitened_baseline_has_unit_length() -> None:
    found = imagenet_gray_whitened(PICTURES)
    assert found.shape == (12, 1280)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
