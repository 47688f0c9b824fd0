"""Pictures are decoded safely and in one way, and the product is found in them."""

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, jpeg
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from scipy import ndimage

from ml.data.images import (
    DETAIL,
    MAX_PIXELS,
    SHARED,
    UnreadablePicture,
    decode,
    decode_product,
    placeholders,
)
from ml.prepare.crop import CropParams, crop_picture
from ml.prepare.foreground import foreground, opened
from ml.prepare.masked_crop import crop_product


def photo() -> np.ndarray:
    """A dark product on a white background: uint8 (100, 80, 3)."""
    picture = np.full((100, 80, 3), 255, np.uint8)
    picture[20:70, 30:60] = (40, 60, 90)
    return picture


def bomb(side: int = 30_000) -> bytes:
    """A PNG of a few bytes that claims to be a huge square."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = b""
    for name, data in ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b"")):
        chunks += (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "missing"),
        (b"", "empty"),
        (b"<!DOCTYPE html><html></html>", "HTML"),
        (b"<html></html>", "HTML"),
        (b"nonsense", "not a picture"),
        (
            jpeg(np.random.default_rng(0).integers(0, 255, (200, 200, 3), dtype=np.uint8))[:3000],
            "truncated",
        ),
        (bomb(), "over the limit"),
        (bomb(8_000), "over the limit"),
    ],
    ids=["missing", "empty", "doctype", "html", "text", "truncated", "bomb", "small bomb"],
)
def test_an_unusable_file_is_refused_with_its_reason(content: bytes | None, reason: str) -> None:
    with pytest.raises(UnreadablePicture, match=reason):
        decode(content)


def test_the_limit_on_pixels_is_above_any_photo() -> None:
    assert 7000 * 7000 <= MAX_PIXELS < 30_000 * 30_000


def test_transparency_lies_on_white_and_every_mode_becomes_rgb() -> None:
    layer = Image.new("RGBA", (10, 10), (255, 0, 0, 0))
    content = io.BytesIO()
    layer.save(content, "PNG")
    assert (decode(content.getvalue()) == 255).all()
    for mode in ("L", "P", "CMYK", "1"):
        content = io.BytesIO()
        Image.new(mode, (6, 4)).save(content, "TIFF")
        assert decode(content.getvalue()).shape == (4, 6, 3)


def test_a_photo_is_turned_upright_by_its_exif_orientation() -> None:
    exif = Image.Exif()
    exif[274] = 6
    content = io.BytesIO()
    Image.fromarray(photo()).save(content, "JPEG", exif=exif)
    assert decode(content.getvalue()).shape == (80, 100, 3)


@pytest.mark.parametrize("background", [(255, 255, 255), (200, 190, 220), (10, 10, 10)])
def test_the_product_is_found_on_any_uniform_background(background: tuple[int, int, int]) -> None:
    picture = photo()
    picture[(picture == 255).all(axis=2)] = background
    product = foreground(decode(jpeg(picture)))
    left, top, right, bottom = product.box
    assert left == pytest.approx(30, abs=4)
    assert right == pytest.approx(60, abs=4)
    assert top == pytest.approx(20, abs=4)
    assert bottom == pytest.approx(70, abs=4)
    assert product.mask[30:60, 35:55].all()
    assert not product.mask[:10].any()


def test_a_hole_in_the_product_is_not_taken_for_background_of_the_border() -> None:
    picture = photo()
    picture[40:50, 40:50] = 255
    assert foreground(picture).mask[45, 45]


@pytest.mark.parametrize(
    "picture",
    [
        np.full((50, 50, 3), 255, np.uint8),
        np.random.default_rng(0).integers(0, 255, (50, 50, 3), dtype=np.uint8),
    ],
)
def test_where_no_product_is_found_the_whole_picture_is_used(picture: np.ndarray) -> None:
    product = foreground(picture)
    assert product.box == (0, 0, 50, 50)
    assert product.mask.all()


def test_a_crop_has_the_asked_size_and_fills_it_with_the_product() -> None:
    crop, mask, box = crop_product(
        photo(), CropParams(side=64, localizer="foreground"), article_type=""
    )
    assert crop.shape == (64, 64, 3)
    assert mask.shape == (64, 64)
    assert mask.mean() > 200
    assert box[2] - box[0] < 40
    _, _, whole = crop_product(photo(), CropParams(side=64, localizer="none"), article_type="")
    assert whole == (0, 0, 80, 100)


def file_of(picture: Image.Image, kind: str, **options: object) -> bytes:
    content = io.BytesIO()
    picture.save(content, kind, **options)
    return content.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_gray_of_sixteen_bits_is_scaled_and_not_clipped(kind: str) -> None:
    gray = photo().mean(axis=2)
    deep = Image.fromarray((gray * 257).astype(np.uint16))
    found = decode(file_of(deep, kind))
    np.testing.assert_allclose(found, np.repeat(gray[..., None], 3, axis=2), atol=1)


def test_avif_is_read() -> None:
    found = decode(file_of(Image.fromarray(photo()), "AVIF", quality=95))
    np.testing.assert_allclose(found, photo(), atol=24)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC picture, which is not read: save it as JPEG"),
        (b"\xef\xbb\xbf<svg xmlns='x'></svg>", "SVG drawing"),
        (b"<?xml version='1.0'?><svg></svg>", "SVG drawing"),
        (b"%PDF-1.7", "PDF document"),
        (b"8BPS\0\1", "Photoshop"),
        (file_of(Image.fromarray(np.zeros((4, 4), np.float32)), "TIFF"), "no levels of 8 or 16"),
    ],
    ids=["heic", "svg", "xml", "pdf", "psd", "float"],
)
def test_what_is_not_read_is_refused_in_true_words(content: bytes, reason: str) -> None:
    with pytest.raises(UnreadablePicture, match=reason):
        decode(content)


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_blank_picture_is_no_picture_of_a_product(level: int) -> None:
    blank = jpeg(np.full((90, 60, 3), level, np.uint8))
    assert decode(blank).shape == (90, 60, 3)
    with pytest.raises(UnreadablePicture, match="blank"):
        decode_product(blank)
    np.testing.assert_array_equal(decode_product(jpeg(photo())), decode(jpeg(photo())))


def test_a_picture_of_many_products_is_a_placeholder_and_of_few_is_not() -> None:
    many, few = ["a"] * (SHARED + 1), ["b"] * SHARED
    found = placeholders([*many, *few, None, float("nan"), None, None, None, None])
    assert found[0] == f"its picture stands for {SHARED + 1} products: a placeholder?"
    assert found[: SHARED + 1] == [found[0]] * (SHARED + 1)
    assert set(found[SHARED + 1 :]) == {None}


def large(**options: object) -> bytes:
    """A JPEG of 24 megapixels that shows `photo`, as a camera writes it."""
    picture = Image.fromarray(photo()).resize((4000, 6000), Image.Resampling.NEAREST)
    return file_of(picture, "JPEG", **options)


def test_a_large_picture_is_shrunk_and_upright() -> None:
    """A photo of a camera is no bomb: it is accepted, and looks as it did."""
    exif = Image.Exif()
    exif[274] = 6
    found = decode(large(exif=exif))
    height, width, _ = found.shape
    assert 0.9 * DETAIL < height * width <= DETAIL
    assert width / height == pytest.approx(3 / 2, abs=0.01)
    small = Image.fromarray(np.rot90(found)).resize((80, 100), Image.Resampling.BOX)
    np.testing.assert_allclose(np.asarray(small), photo(), atol=8)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_a_large_picture_of_any_mode_looks_as_it_did(mode: str) -> None:
    gray = np.where(np.indices((1, 8)).sum(axis=0) < 4, 0, 255).astype(np.uint8)
    if mode == "I;16":
        picture = Image.fromarray(gray.astype(np.uint16) * 257)
    else:
        picture = Image.fromarray(gray).convert("RGB").convert(mode)
    content = file_of(picture.resize((3600, 1800), Image.Resampling.NEAREST), "TIFF")
    found = decode(content)
    assert found.shape[0] * found.shape[1] <= DETAIL
    middle = found.shape[1] // 2
    np.testing.assert_allclose(found[:, : middle - 9], 0, atol=1)
    np.testing.assert_allclose(found[:, middle + 9 :], 255, atol=1)


def test_the_limit_on_pixels_may_be_lowered() -> None:
    with pytest.raises(UnreadablePicture, match="limit of 7,999"):
        decode(jpeg(photo()), 7_999)
    assert decode(jpeg(photo()), 8_000).shape == (100, 80, 3)


PEAK = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from ml.core.allocator import keep_memory
from ml.data.images import decode

def memory(name):
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{name}:")[2].split()[0])

keep_memory()
content = Path(sys.argv[1]).read_bytes()
before = memory("VmRSS")
with ThreadPoolExecutor(8) as pool:
    list(pool.map(decode, [content] * 8))
print((memory("VmHWM") - before) // 1024)
"""


@pytest.mark.full
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_threads_that_decode_large_pictures_share_the_memory_of_one(tmp_path: Path) -> None:
    """Eight pictures of 16 megapixels took 1 GB, since each thread kept what it had freed."""
    (tmp_path / "large.png").write_bytes(file_of(Image.new("RGB", (4000, 4000), "red"), "PNG"))
    command = [sys.executable, "-c", PEAK, str(tmp_path / "large.png")]
    found = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert int(found.stdout) < 600  # MB


@given(arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.booleans()))
def test_specks_are_removed_as_scipy_removes_them(mask: np.ndarray) -> None:
    assert (opened(mask) == ndimage.binary_opening(mask)).all()


def test_a_picture_without_its_mask_is_cropped_as_one_with_it() -> None:
    how = CropParams(side=64, localizer="foreground")
    crop, _, _ = crop_product(photo(), how, article_type="")
    assert (crop_picture(photo(), how, article_type="") == crop).all()
