"""First groups without a model: whitening, any size of catalogue, and what they are worth."""

import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, Clone
from PIL import Image

from benchmarks.first_groups import OWN, markdown
from ml.core.files import read_json
from ml.data.annotations import build_annotations
from ml.data.images import decode_product
from ml.evaluate.baselines import gray
from ml.evaluate.evaluation import similarities
from ml.evaluate.metrics import average_precision
from ml.prepare.crop import CropParams
from ml.prepare.masked_crop import crop_product
from ml.serve.predictor import Embedded
from ml.untrained.first_groups import FILE, threshold_of, worth
from ml.untrained.predictor import CROP, UntrainedPredictor, untrained_predictor
from ml.untrained.whitening import half_whitened
from ml.validate.split import split_of

PHOTOS = ROOT / "../shared/data/myntra"
MEASURED = read_json(ROOT / "benchmarks/first_groups.json")


def normalised(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def test_whitening_divides_each_component_by_the_root_of_its_deviation() -> None:
    random = np.random.default_rng(0)
    deviations = np.array([16.0, 4.0, 1.0])
    found = half_whitened(random.normal(size=(20_000, 3)) * deviations)
    assert np.allclose(np.linalg.norm(found, axis=1), 1)
    spread = np.sort(np.median(np.abs(found), axis=0))
    assert spread[2] / spread[1] == pytest.approx(2, rel=0.15)
    assert spread[1] / spread[0] == pytest.approx(2, rel=0.15)


@pytest.mark.parametrize("count", [1, 2, 3, 50, 200])
def test_whitening_takes_any_number_of_products(count: int) -> None:
    rows = normalised(np.random.default_rng(1).normal(size=(count, 64)))
    found = half_whitened(rows)
    assert found.shape == rows.shape
    assert np.isfinite(found).all()
    length = np.linalg.norm(found, axis=1)
    assert np.allclose(length, 0 if count == 1 else 1, atol=1e-5)


def test_pictures_that_are_all_equal_are_not_told_apart_by_rounding() -> None:
    rows = np.repeat(normalised(np.random.default_rng(2).normal(size=(1, 64))), 5, axis=0)
    assert not half_whitened(rows).any()


def test_the_threshold_falls_with_the_size_of_the_catalogue_between_what_was_measured() -> None:
    chosen = read_json(FILE)["thresholds"]
    for one in chosen:
        assert threshold_of(one["products"]) == pytest.approx(one["threshold"])
    assert threshold_of(1) == pytest.approx(chosen[0]["threshold"])
    assert threshold_of(10**6) == pytest.approx(chosen[-1]["threshold"])
    falling = [threshold_of(size) for size in (600, 1000, 2000, 4000)]
    assert falling == sorted(falling, reverse=True)


def test_the_words_of_the_command_are_what_the_benchmark_measured() -> None:
    shipped = read_json(FILE)
    largest = max(row["products"] for row in MEASURED["rows"])
    rows = {row["name"]: row for row in MEASURED["rows"] if row["products"] == largest}
    own = rows[OWN]
    assert shipped["worth"] == {
        "products": largest,
        "precision": own["blocks"]["precision"],
        "recall": own["blocks"]["recall"],
    }
    assert shipped["thresholds"] == own["thresholds"]
    words = worth()
    assert f"{largest:,}" in words
    for name in ("precision", "recall"):
        value, low, high = (100 * own["blocks"][name][key] for key in ("value", "low", "high"))
        assert f"{value:.0f} % ({low:.0f} to {high:.0f} %)" in words


def test_the_page_for_shops_holds_what_was_measured() -> None:
    page = (ROOT / "docs/own-shop.md").read_text(encoding="utf-8")
    assert worth() in " ".join(page.split())
    largest = max(row["products"] for row in MEASURED["rows"])
    shown = [r for r in MEASURED["rows"] if r["name"] == OWN or r["products"] == largest]
    assert markdown(shown) in page
    for counts in MEASURED["test"].values():
        assert all(f"{number:,}" in page for number in counts.values())


def test_on_real_photos_first_groups_are_better_than_those_of_naive_baselines() -> None:
    for size in {row["products"] for row in MEASURED["rows"]}:
        rows = {row["name"]: row for row in MEASURED["rows"] if row["products"] == size}
        for pairs in ("pairs", "blocks"):
            own = rows[OWN][pairs]
            for baseline in ("gray", "imagenet_gray"):
                beside = rows[baseline][pairs]
                assert own["block_ap"]["value"] > beside["block_ap"]["value"], (size, pairs)
                assert own["recall"]["value"] > beside["recall"]["value"], (size, pairs)


@pytest.fixture(scope="module")
def seen(shop: Path) -> tuple[UntrainedPredictor, pd.DataFrame, Embedded]:
    """The untrained predictor, 40 products of the generated shop, and their embeddings."""
    products = pd.read_csv(shop / "catalog.csv", dtype=str).head(40)
    contents = [(shop / name).read_bytes() for name in products["image"]]
    predictor = untrained_predictor()
    return predictor, products, predictor.embed(contents, products["article_type"])


Seen = tuple[UntrainedPredictor, pd.DataFrame, Embedded]


def part(embedded: Embedded, places: np.ndarray) -> Embedded:
    return Embedded(embedded.embeddings[places], [embedded.problems[place] for place in places])


def test_the_pairs_of_a_group_are_variants(seen: Seen, shop: Path) -> None:
    predictor, products, embedded = seen
    group = predictor.group(products, embedded)["group"].to_numpy()
    annotations = build_annotations(products, pd.read_csv(shop / "pairs.csv", dtype=str))
    group, pairs = group[annotations.indices], annotations.block_pairs
    together = group[pairs.left] == group[pairs.right]
    assert together.sum() >= 5
    assert pairs.label[together].mean() >= 0.8


def test_equal_shops_get_equal_groups_whatever_their_order_and_scores_are_left_out(
    seen: Seen,
) -> None:
    predictor, products, embedded = seen
    first = predictor.group(products, embedded)
    pd.testing.assert_frame_equal(first, predictor.group(products, embedded))
    order = np.random.default_rng(3).permutation(len(products))
    shuffled = predictor.group(products.iloc[order], part(embedded, order))
    assert shuffled["group"].tolist() == first["group"].to_numpy()[order].tolist()
    assert first["score"].isna().all()
    assert set(first["band"]) == {"leave", "review"}  # without scores none can be published
    assert first["problem"].isna().all()


@pytest.mark.parametrize("count", [1, 2])
def test_a_shop_of_a_few_products_is_grouped(seen: Seen, count: int) -> None:
    predictor, products, embedded = seen
    found = predictor.group(products.head(count), part(embedded, np.arange(count)))
    assert found["group"].notna().all()


def test_a_shop_without_a_readable_picture_gets_no_group_and_the_reasons(seen: Seen) -> None:
    predictor, products, _ = seen
    contents = [b"no picture", b"", None]
    embedded = predictor.embed(contents, products["article_type"].head(3))
    found = predictor.group(products.head(3), embedded)
    assert found["group"].isna().all()
    assert found["problem"].notna().all()


@pytest.mark.full
def test_first_groups_need_no_model_and_register_none(
    make_clone: Callable[[], Clone], own_shop: Path, tmp_path: Path
) -> None:
    clone = make_clone()
    refused = clone.run("group", "--source", str(own_shop), check=False)
    assert refused.returncode == 1
    assert "--model untrained" in refused.stderr
    assert worth() in refused.stderr
    before = clone.state()
    catalog = pd.read_csv(own_shop / "catalog.csv", dtype=str)
    (own_shop / catalog["image"][0]).write_bytes(b"no picture")
    outs = [tmp_path / "first", tmp_path / "second"]
    for out in outs:
        command = ("group", "--source", str(own_shop), "--model", "untrained", "--out", str(out))
        said = clone.run(*command).stdout
        assert worth() in said
        assert "no registered model" in said
        assert "1 pictures could not be read" in said
        page = (out / "groups.html").read_text(encoding="utf-8")
        assert worth() in page
        assert "no registered model" in page
        told = re.findall(r'"score": ?([^,}]*)', page)  # which the page's script shows if it is one
        assert len(told) > 1
        assert set(told) == {"null"}
    assert clone.state() == before
    first, second = ((out / "groups.parquet").read_bytes() for out in outs)
    assert first == second


@pytest.mark.full
def test_the_smallest_and_the_most_broken_shops_get_an_answer(
    make_clone: Callable[[], Clone], shop: Path, tmp_path: Path
) -> None:
    clone = make_clone()
    catalog = pd.read_csv(shop / "catalog.csv", dtype=str)
    for name, count, broken in (("one", 1, False), ("two", 2, False), ("broken", 3, True)):
        folder, out = tmp_path / name, tmp_path / f"{name}-out"
        (folder / "images").mkdir(parents=True)
        catalog.head(count).to_csv(folder / "catalog.csv", index=False)
        for image in catalog["image"].head(count):
            content = b"no picture" if broken else (shop / image).read_bytes()
            (folder / image).write_bytes(content)
        command = ("group", "--source", str(folder), "--model", "untrained", "--out", str(out))
        clone.run(*command)
        groups = pd.read_csv(out / "groups.csv", dtype=str)
        assert groups["problem"].notna().tolist() == [broken] * count
        assert groups["group"].isna().tolist() == [broken] * count


@pytest.mark.full
@pytest.mark.skipif(not PHOTOS.is_dir(), reason="the real photos are not here")
def test_first_groups_of_real_photos_beat_gray_pixels_by_a_margin() -> None:
    products = pd.read_csv(PHOTOS / "catalog.csv", dtype=str)
    pairs = pd.read_csv(PHOTOS / "pairs.csv", dtype=str)
    products = products[products["brand"].map(split_of) == "test"].reset_index(drop=True)
    contents = [(PHOTOS / name).read_bytes() for name in products["image"]]
    predictor = untrained_predictor()
    embedded = predictor.embed(contents, products["article_type"])
    own = predictor.relative(products, embedded)
    group = predictor.group(products, embedded)["group"].to_numpy()
    annotations = build_annotations(products, pairs)
    annotated, of = annotations.indices, annotations.block_pairs
    how = CropParams.model_validate(CROP)
    crops = [
        crop_product(
            decode_product(contents[place]), how, article_type=products["article_type"][place]
        )[0]
        for place in annotated
    ]
    every = np.ones((1, len(of)))
    ours, theirs = (
        average_precision(of.label, similarities(embeddings, of), every)[0]
        for embeddings in (own[annotated], gray(np.stack(crops)))
    )
    assert ours > theirs + 0.2
    group = group[annotated]
    together = group[of.left] == group[of.right]
    assert of.label[together].mean() > 0.75
    assert together[of.label].mean() > 0.2


def test_a_picture_of_one_colour_is_told_and_not_grouped(seen: Seen) -> None:
    predictor, products, _ = seen
    blank = io.BytesIO()
    Image.new("RGB", (64, 64), "white").save(blank, "PNG")
    embedded = predictor.embed([blank.getvalue()] * 2, products["article_type"].head(2))
    found = predictor.group(products.head(2), embedded)
    assert found["problem"].notna().all()
    assert found["group"].isna().all()
