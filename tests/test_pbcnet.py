"""PBCNet follows its papers: InfoNCE by part, a momentum encoder, a first-in-first-out queue."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import random_views, tiny_encoder
from torch.nn import functional

from ml.core.errors import UserError
from ml.evaluate.baselines import gray_pictures
from ml.model.embedding import embed_pictures, set_whitening
from ml.model.encoder import SLICES, load_encoder, save_encoder
from ml.model.luminance import LUMINANCE
from ml.train.methods.pbcnet import PBCNet, PBCNetParams


def method(queue: int = 12, momentum: float = 0.9, **params: object) -> PBCNet:
    loss = {"head": "linear", "projection": 8, "temperature": 0.2, "rival_weight": 4}
    made = PBCNetParams.model_validate({**loss, "queue": queue, "momentum": momentum})
    return PBCNet(tiny_encoder(**params), made)


def views(count: int = 4, size: int = 64) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    first, second = random_views(count, size)
    return first, second, torch.arange(count)


@pytest.mark.parametrize("slices", sorted(SLICES))
@pytest.mark.parametrize("join", ["concat", "mean"])
def test_embeddings_have_length_one_and_the_announced_size(slices: str, join: str) -> None:
    made = tiny_encoder(slices=slices, join=join).eval()
    embeddings = made(views()[0])
    assert embeddings.shape == (4, made.size)
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(4))
    assert made.parts(views()[0]).shape == (4, 1 + len(SLICES[slices]), made.part_size)


def test_a_slice_sees_its_own_place_of_the_feature_map() -> None:
    made = tiny_encoder(slices="quadrants").eval()
    made.backbone.forward_features = lambda pictures: pictures
    made.mean, made.std = torch.zeros(3, 1, 1), torch.ones(3, 1, 1)
    picture = torch.zeros(1, 3, 4, 4)
    picture[:, :, :2, 2:] = 1.0  # top right
    parts = made.parts(picture)[0, :, 0]
    assert parts.tolist() == [0.25, 0.0, 1.0, 0.0, 0.0]


@pytest.mark.parametrize("slices", ["none", "quadrants", "halves"])
def test_where_mirror_images_are_embedded_too_a_mirrored_picture_embeds_alike(slices: str) -> None:
    view = random_views(3)[0]
    for mirror, distance in ((True, 0.0), (False, 1e-3)):
        encoder = tiny_encoder(slices=slices, join="mean", mirror=mirror).eval()
        with torch.inference_mode():
            apart = float((encoder(view) - encoder(view.flip(3))).abs().max())
        assert (apart < 1e-5) if mirror else (apart > distance), slices


def test_with_luminance_input_nothing_is_gained_by_feeding_gray_pictures() -> None:
    colourful = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
    blind, seeing = (tiny_encoder(input=kind).eval() for kind in ("luminance", "rgb"))
    fed_gray = gray_pictures(colourful)
    np.testing.assert_array_equal(embed_pictures(blind, colourful), embed_pictures(blind, fed_gray))
    assert np.abs(embed_pictures(seeing, colourful) - embed_pictures(seeing, fed_gray)).max() > 1e-3


def test_with_luminance_input_a_recolouring_of_equal_luminance_changes_nothing() -> None:
    picture = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 0.5 + 0.2
    shift = torch.tensor([0.2, 0.0, -0.2]).view(3, 1, 1)
    # The shift changes the colours and keeps the luminance.
    shift = shift - (shift * torch.tensor(LUMINANCE).view(3, 1, 1)).sum()
    both = torch.cat([picture, picture + shift])
    embeddings = {
        kind: tiny_encoder(input=kind).eval()(both).detach() for kind in ("luminance", "rgb")
    }
    moved = {kind: 1 - float(first @ second) for kind, (first, second) in embeddings.items()}
    # It is not zero, since luminance is rounded to whole levels.
    assert moved["luminance"] < 0.1 * moved["rgb"]


def test_the_loss_is_infonce_over_each_part_and_its_own_queue() -> None:
    net = method()
    query_view, key_view, ids = views()
    net.eval()
    loss, _ = net(query_view, key_view, ids)
    queries = functional.normalize(net.projection_head(net.encoder.parts(query_view)), dim=2)
    keys = functional.normalize(net.momentum_head(net.momentum_encoder.parts(key_view)), dim=2)
    terms = []
    for part in range(queries.shape[1]):
        for row in range(len(ids)):
            positive = torch.exp(queries[row, part] @ keys[row, part] / 0.2)
            negatives = torch.exp(net.queue.keys[:, part] @ queries[row, part] / 0.2).sum()
            terms.append(-torch.log(positive / (positive + negatives)))
    torch.testing.assert_close(loss, torch.stack(terms).mean())


def test_gradients_reach_the_query_encoder_and_never_the_keys() -> None:
    net = method()
    loss, _ = net(*views())
    loss.backward()
    assert all(value.grad is not None for value in net.projection_head.parameters())
    assert any(
        value.grad is not None and value.grad.abs().sum() > 0 for value in net.encoder.parameters()
    )
    assert all(
        value.grad is None
        for value in [*net.momentum_encoder.parameters(), *net.momentum_head.parameters()]
    )
    assert not net.queue.keys.requires_grad


def test_the_queue_takes_a_steps_keys_after_it_and_forgets_the_oldest_first() -> None:
    net = method(queue=6)
    first, second, _ = views(4)
    before = net.queue.keys.clone()
    net(first, second, torch.tensor([10, 11, 12, 13]))
    assert torch.equal(net.queue.keys, before)  # the step's own keys are not among its negatives
    net.on_step_end()
    assert net.queue.ids.tolist() == [10, 11, 12, 13, -1, -1]
    net(first, second, torch.tensor([20, 21, 22, 23]))
    net.on_step_end()
    assert net.queue.ids.tolist() == [22, 23, 12, 13, 20, 21]
    torch.testing.assert_close(net.queue.keys.norm(dim=2), torch.ones(6, 5))


def test_a_products_own_older_keys_are_no_negatives() -> None:
    net = method(queue=4).eval()
    first, second, ids = views(4)
    net(first, second, ids)
    net.on_step_end()  # now the queue holds these four products only
    loss, accuracy = net(first[:1], second[:1], ids[:1])
    net.queue.ids[0] = 99  # the same key, of another product: now it counts
    worse, _ = net(first[:1], second[:1], ids[:1])
    assert float(worse) > float(loss)
    assert 0 <= float(accuracy) <= 1


def test_keys_follow_the_query_encoder_with_the_given_momentum() -> None:
    net = method(momentum=0.75)
    old = [value.clone() for value in net.momentum_head.parameters()]
    with torch.no_grad():
        for value in net.projection_head.parameters():
            value.add_(1.0)
    net(*views())
    net.on_step_end()
    for before, after in zip(old, net.momentum_head.parameters(), strict=True):
        torch.testing.assert_close(after, before + 0.25)


def test_frozen_batch_normalisation_keeps_its_statistics_while_training() -> None:
    for frozen in (True, False):
        made = tiny_encoder(frozen_batchnorm=frozen).train()
        before = {name: value.clone() for name, value in made.named_buffers() if "running" in name}
        made.parts(views()[0])
        moved = [
            name
            for name, value in made.named_buffers()
            if "running" in name and not torch.equal(value, before[name])
        ]
        assert bool(moved) is not frozen


def test_a_saved_encoder_embeds_alike_after_loading(tmp_path: Path) -> None:
    made = tiny_encoder().eval().to(memory_format=torch.channels_last)
    save_encoder(made, {"threads": 2}, tmp_path)
    loaded, facts = load_encoder(tmp_path)
    assert facts["threads"] == 2
    with torch.inference_mode():
        assert torch.equal(made(views()[0]), loaded(views()[0]))


def test_imagenet_weights_come_without_network_from_the_package() -> None:
    made = tiny_encoder(backbone="tf_efficientnet_lite0", weights="imagenet", slices="none")
    other = tiny_encoder(backbone="tf_efficientnet_lite0", weights="random", slices="none")
    name = "backbone.conv_stem.weight"
    assert not torch.equal(made.state_dict()[name], other.state_dict()[name])


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"backbone": "efficientnet_nonsense"}, "no model"),
        ({"weights": "/nowhere/weights.pth"}, "neither"),
    ],
)
def test_an_unknown_backbone_or_weights_file_is_refused_in_words(
    params: dict[str, str], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        tiny_encoder(**params)


def test_weights_of_another_backbone_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "weights.pth"
    torch.save({"conv_stem.weight": torch.zeros(1)}, file)
    with pytest.raises(UserError, match="do not fit"):
        tiny_encoder(weights=str(file))


def test_a_centered_encoder_embeds_its_own_products_around_zero() -> None:
    made = tiny_encoder()
    pictures = np.random.default_rng(0).integers(0, 255, (16, 48, 48, 3), dtype=np.uint8)
    crowded = embed_pictures(made, pictures)
    set_whitening(made, pictures)
    centered = embed_pictures(made, pictures)
    assert np.abs(centered.mean(axis=0)).sum() < np.abs(crowded.mean(axis=0)).sum() / 2
    np.testing.assert_allclose(np.linalg.norm(centered, axis=1), 1, atol=1e-5)
    set_whitening(made, pictures)  # setting it again changes nothing
    np.testing.assert_allclose(embed_pictures(made, pictures), centered, atol=1e-6)
