"""The product is found by its article type or by a detector, and the boxes are shown.

Every step that crops a picture finds the same box.
"""

import io
import urllib.request
from argparse import Namespace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from conftest import ROOT, jpeg, set_params
from PIL import Image, ImageDraw
from safetensors.torch import load_file
from test_images import photo
from tiny import tiny_encoder
from torchvision.models import get_model

import ml.prepare.stage
from ml.core.errors import UserError
from ml.core.files import read_json, read_table, write_json, write_table
from ml.core.params import load_params
from ml.data.images import decode
from ml.model.encoder import save_encoder
from ml.pages.contact_sheet import THUMBNAIL
from ml.prepare.box_sheet import COLOUR, PRODUCTS, draw_boxes, pick
from ml.prepare.crop import CropParams, crop_picture, with_weights
from ml.prepare.detector import DetectorParams, best_box, detect, load_detector
from ml.prepare.foreground import foreground
from ml.prepare.localize import localize
from ml.serve.predictor import Predictor
from ml.synthetic.articles import ARTICLES
from ml.validate.split import split_products

MODEL, CLASSES = "ssdlite320_mobilenet_v3_large", 3
REGION = load_params("prepare", CropParams, ROOT / "params.yaml").model_copy(
    update={"localizer": "region"}
)


def person(size: tuple[int, int] = (400, 240), cut: int = 400) -> np.ndarray:
    """A standing person, 114 pixels wide and 341 high from row 30, on white; uint8 (cut, 240, 3).

    The skin is light brown, the shirt red, the trousers blue and the shoes are black.
    """
    height, width = size
    image = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(image)
    draw.ellipse((102, 30, 138, 76), fill=(200, 150, 120))  # head
    draw.rectangle((111, 70, 129, 90), fill=(200, 150, 120))
    draw.rectangle((63, 85, 176, 200), fill="red")  # shirt
    draw.rectangle((85, 200, 155, 340), fill="blue")  # trousers
    draw.rectangle((80, 340, 160, 370), fill="black")  # shoes
    return np.asarray(image)[:cut]


def shares(picture: np.ndarray, article_type: str, how: CropParams = REGION) -> dict[str, float]:
    """The share of the pixels of each garment, and of the head, that is in the box."""
    left, top, right, bottom = localize(picture, how, article_type=article_type).box
    colours = {
        "shirt": (255, 0, 0),
        "trousers": (0, 0, 255),
        "shoes": (0, 0, 0),
        "head": (200, 150, 120),
    }
    found = {name: (picture == colour).all(axis=2) for name, colour in colours.items()}
    return {
        name: mask[top:bottom, left:right].sum() / max(mask.sum(), 1)
        for name, mask in found.items()
    }


def test_of_a_standing_person_the_part_that_the_article_type_names_is_kept() -> None:
    shirt, trousers, shoes = (
        shares(person(), name) for name in ("Tshirts", "Jeans", "Casual Shoes")
    )
    assert shirt["shirt"] > 0.98
    assert max(shirt["shoes"], shirt["trousers"] - 0.4) < 0.05
    assert shirt["head"] < 0.4
    assert trousers["trousers"] > 0.98
    assert max(trousers["head"], trousers["shirt"] - 0.4) < 0.05
    assert shoes["shoes"] > 0.98
    assert max(shoes["head"], shoes["shirt"], shoes["trousers"] - 0.2) < 0.05


def test_of_a_person_cut_off_at_the_hips_the_same_part_is_kept_as_of_the_whole_one() -> None:
    whole, half = (
        localize(person(cut=cut), REGION, article_type="Tshirts").box for cut in (400, 220)
    )
    # A few pixels differ, since the whole and the half have different margins.
    assert np.abs(np.subtract(whole[:3], half[:3])).max() <= 4
    assert half[3] == 220


def test_a_part_of_which_the_picture_shows_nothing_leaves_the_person_whole() -> None:
    assert (
        localize(person(cut=220), REGION, article_type="Heels").box
        == foreground(person(cut=220)).box
    )


@pytest.mark.parametrize("article_type", ["Handbags", "", "nonsense"])
def test_an_article_type_of_no_region_stays_whole(article_type: str) -> None:
    assert localize(person(), REGION, article_type=article_type).box == foreground(person()).box


def test_upper_and_lower_case_of_article_types_are_alike() -> None:
    boxes = {
        localize(person(), REGION, article_type=name).box
        for name in ("Tshirts", "tshirts", "TSHIRTS")
    }
    assert len(boxes) == 1
    assert boxes != {foreground(person()).box}


def test_a_garment_alone_and_a_wearer_without_head_stay_whole() -> None:
    shirt = Image.new("RGB", (240, 240), "white")
    ImageDraw.Draw(shirt).polygon(
        [(20, 60), (80, 30), (160, 30), (220, 60), (180, 90), (180, 220), (60, 220), (60, 90)],
        "red",
    )
    for picture, article_type in (
        (np.asarray(shirt), "Tshirts"),
        (photo(), "Jeans"),
        (person()[150:], "Jeans"),
    ):
        found, plain = localize(picture, REGION, article_type=article_type), foreground(picture)
        assert found.box == plain.box
        assert (found.mask == plain.mask).all()


def test_where_no_foreground_is_found_nothing_is_cut() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (90, 40, 3), dtype=np.uint8)
    assert localize(noise, REGION, article_type="Tshirts").box == (0, 0, 40, 90)


def test_of_the_generated_shop_that_shows_no_people_hardly_anything_is_cut(shop: Path) -> None:
    catalog = pd.read_csv(shop / "catalog.csv", dtype=str)
    cut = []
    for image, article_type in zip(catalog["image"], catalog["article_type"], strict=True):
        picture = decode((shop / image).read_bytes())
        cut.append(
            localize(picture, REGION, article_type=article_type).box != foreground(picture).box
        )
    assert np.mean(cut) <= 0.01


def test_garments_and_shoes_of_the_generated_shop_have_a_region() -> None:
    known = {name for region in REGION.regions.values() for name in region.article_types}
    assert {article.name for article in ARTICLES} - known == {"Handbags", "Backpacks", "Caps"}


@pytest.mark.parametrize(
    ("param", "value", "words"),
    [
        ("prepare.regions.feet.top", 1.2, r"regions\.feet\.top"),
        ("prepare.regions.upper_body.bottom", 0.1, "top must be above bottom"),
        (
            "prepare.regions.feet.article_types",
            ["JEANS"],
            "more than one region has the article type jeans",
        ),
        ("prepare.localizer", "magic", r"prepare\.localizer"),
        ("prepare.detector.classes", 1, r"detector\.classes"),
    ],
)
def test_a_wrong_param_of_a_localizer_is_named(
    tmp_path: Path, param: str, value: object, words: str
) -> None:
    file = tmp_path / "params.yaml"
    file.write_text((ROOT / "params.yaml").read_text())
    set_params(file, {param: value})
    with pytest.raises(UserError, match=words):
        load_params("prepare", CropParams, file)


def test_the_detector_without_its_section_is_refused() -> None:
    with pytest.raises(ValueError, match="needs the section 'detector'"):
        CropParams(side=64, localizer="detector")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weights of a detector with two boxes around the middle of every picture.

    Class 1 is in one box, and class 2 is in the other one with a lower score.
    """
    torch.manual_seed(0)
    network = get_model(MODEL, weights=None, weights_backbone=None, num_classes=CLASSES)
    bias = network.state_dict()["head.classification_head.module_list.5.1.bias"]
    coarsest = bias.view(6, CLASSES)  # boxes × classes
    coarsest[0, 1], coarsest[3, 2] = 6, 4
    file = tmp_path_factory.mktemp("detector") / "weights.pth"
    # The file has the form that torchvision's reference training writes.
    torch.save({"model": network.state_dict(), "epoch": 3, "args": Namespace(lr=0.1)}, file)
    return file


def by(weights: Path, **params: object) -> DetectorParams:
    plain = {
        "model": MODEL,
        "weights": str(weights),
        "classes": CLASSES,
        "score": 0.5,
        "fits": {1: ["Shirts"], 2: ["Jeans"]},
    }
    return DetectorParams.model_validate(plain | params)


def test_the_best_box_of_the_classes_that_fit_the_article_type_is_taken(weights: Path) -> None:
    picture = person()
    with torch.inference_mode():
        pixels = torch.tensor(picture).permute(2, 0, 1) / 255
        seen = load_detector(MODEL, str(weights), CLASSES)([pixels])[0]
    boxes = {}
    for label, article_type in ((1, "Shirts"), (2, "jeans")):
        best = seen["boxes"][seen["labels"] == label][
            seen["scores"][seen["labels"] == label].argmax()
        ]
        product = detect(picture, by(weights), article_type=article_type)
        np.testing.assert_allclose(product.box, best, atol=0.51)
        left, top, right, bottom = boxes[label] = product.box
        assert not np.delete(product.mask, np.s_[top:bottom], axis=0).any()
        assert not np.delete(product.mask, np.s_[left:right], axis=1).any()
        assert product.mask.any()
    assert boxes[1] != boxes[2]
    first = tuple(round(edge) for edge in seen["boxes"][0].tolist())
    assert best_box(picture, by(weights, fits={1: "any", "2": "any"}), "Hats") == first


def test_where_no_box_fits_or_scores_enough_the_foreground_is_taken(weights: Path) -> None:
    for how, article_type in ((by(weights), "Hats"), (by(weights, score=1.0), "Shirts")):
        found, plain = detect(photo(), how, article_type=article_type), foreground(photo())
        assert found.box == plain.box
        assert (found.mask == plain.mask).all()


def test_a_detector_that_cannot_be_had_is_refused_with_what_to_do(
    weights: Path, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(b"nonsense")
    for how, words in (
        (by(weights, model="yolo"), f"no detection model 'yolo'; there is .*{MODEL}"),
        (by(weights, classes=5), "does not fit the model .* with 5 classes"),
        (by(tmp_path / "none.pth"), "neither 'hub' nor a file"),
        (by(damaged), "cannot be read as a state dict"),
        (by(Path("hub")), "classes is 3, but torchvision's weights of .* have 91"),
        (by(weights, fits={7: "any"}), r"no class '7': give its index, 1 … 2"),
        (by(weights, fits={"person": "any"}), "no class 'person'"),
    ):
        with pytest.raises(UserError, match=words):
            best_box(photo(), how, "Shirts")


def test_the_hub_without_network_is_refused_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))  # nothing is fetched yet
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # where nobody answers
    monkeypatch.setenv("no_proxy", "")
    # The first call of urllib sets the proxies for all later calls.
    monkeypatch.setattr(urllib.request, "_opener", None)
    with pytest.raises(
        UserError, match=r"cannot be fetched from https://.*download\s+that file elsewhere"
    ):
        load_detector("fcos_resnet50_fpn", "hub", 91)


@pytest.fixture(scope="module")
def detected(tmp_path_factory: pytest.TempPathFactory, shop: Path, weights: Path) -> Path:
    """The folder in which the stage `prepare` ran with the detector on twelve products."""
    return prepare(tmp_path_factory.mktemp("detected"), shop, weights)


def prepare(folder: Path, shop: Path, weights: Path) -> Path:
    (folder / "snapshot/images").mkdir(parents=True)
    catalog = pd.read_csv(shop / "catalog.csv", dtype=str).iloc[::10]
    catalog["sha256"] = catalog["product_id"]
    catalog["split"] = split_products(catalog, "brand")
    for name, image in zip(catalog["sha256"], catalog["image"], strict=True):
        (folder / "snapshot/images" / name).write_bytes((shop / image).read_bytes())
    write_table(folder / "validated/products.parquet", catalog)
    write_table(
        folder / "validated/pairs.parquet",
        pd.DataFrame({"left": [], "right": [], "color_variants": []}),
    )
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["prepare"] |= {"side": 48, "localizer": "detector"}
    params["prepare"]["detector"] = by(weights, fits={1: "any"}).model_dump()
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    threads = torch.get_num_threads()
    ml.prepare.stage.main(
        folder / "snapshot", folder / "validated", folder / "params.yaml", folder / "prepared"
    )
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)
    return folder


def test_prepare_with_a_detector_again_gives_the_same_bytes(
    detected: Path, shop: Path, weights: Path, tmp_path: Path
) -> None:
    again = prepare(tmp_path, shop, weights)
    for file in sorted((detected / "prepared").iterdir()):
        assert file.read_bytes() == (again / "prepared" / file.name).read_bytes(), file.name


def test_the_detectors_weights_travel_with_the_model_and_crop_the_same(
    detected: Path, tmp_path: Path
) -> None:
    prepared = detected / "prepared"
    facts = read_json(prepared / "prepare.json")
    facts["detector"]["weights"] = "/elsewhere/gone.pth"  # the file of the machine that trained
    encoder = tiny_encoder()
    save_encoder(encoder, {"prepare": facts}, tmp_path)
    write_json(
        tmp_path / "grouping.json",
        {
            "threshold": 0.2,
            "method": "average",
            "block_prior": 0,
            "calibration": None,
            "publish": None,
        },
    )
    (tmp_path / "detector.safetensors").write_bytes(
        (prepared / "detector.safetensors").read_bytes()
    )
    products, crops = read_table(prepared / "products.parquet"), np.load(prepared / "images.npy")
    files = [(detected / "snapshot/images" / name).read_bytes() for name in products["sha256"]]
    how = with_weights(CropParams(**facts), tmp_path / "detector.safetensors")
    for file, kind, crop in zip(files, products["article_type"], crops, strict=True):
        assert (crop_picture(decode(file), how, article_type=kind) == crop).all()
    embedded = Predictor(tmp_path).embed(files, products["article_type"])
    assert embedded.problems == [None] * len(files)
    assert (np.linalg.norm(embedded.embeddings, axis=1) > 0.99).all()


def test_other_localizers_leave_a_file_without_weights(tmp_path: Path) -> None:
    ml.prepare.stage.save_detector(None, tmp_path / "detector.safetensors")
    assert load_file(tmp_path / "detector.safetensors") == {}


def test_the_boxes_sheet_shows_each_article_type_with_its_boxes(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(jpeg(person()))
    table = pd.DataFrame(
        {"article_type": ["Jeans"] * 90 + ["Heels"] * 5, "sha256": "one"}, index=range(7, 102)
    )
    table[["box_left", "box_top", "box_right", "box_bottom"]] = (80, 100, 200, 300)
    chosen = pick(table)
    assert chosen["article_type"].value_counts().to_dict() == {"Jeans": PRODUCTS - 5, "Heels": 5}
    draw_boxes(tmp_path / "boxes.png", table, tmp_path)
    draw_boxes(tmp_path / "again.png", table, tmp_path)
    assert (tmp_path / "boxes.png").read_bytes() == (tmp_path / "again.png").read_bytes()
    sheet = np.asarray(Image.open(io.BytesIO((tmp_path / "boxes.png").read_bytes())).convert("RGB"))
    drawn = (sheet == COLOUR).all(axis=2)
    scale = THUMBNAIL / 400  # the picture's longer side
    outline = 2 * (2 * (120 + 200) * scale)  # pixels: two wide
    assert drawn.sum() == pytest.approx(PRODUCTS * outline, rel=0.1)


def test_a_shop_without_test_products_has_an_empty_sheet(tmp_path: Path) -> None:
    columns = ["article_type", "sha256", "box_left", "box_top", "box_right", "box_bottom"]
    draw_boxes(tmp_path / "boxes.png", pd.DataFrame({name: [] for name in columns}), tmp_path)
    assert (np.asarray(Image.open(tmp_path / "boxes.png")) == 255).all()
