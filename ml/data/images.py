"""Decodes pictures from untrusted bytes."""

import io
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from threading import Lock

import numpy as np
from PIL import Image, ImageFile, ImageOps

from ml.core.allocator import release_memory

MAX_PIXELS = 50_000_000  # a 7,000 × 7,000 photo; more is taken for a decompression bomb
DETAIL = 6_000_000  # pixels: a larger picture is shrunk to so many as it is decoded
# Web browsers use decoders of these formats on hostile input.
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF")
BLANK = 2.0  # of 255: a picture with a smaller standard deviation of its luminance is blank
SHARED = 4  # products may use one picture; if more do, it is a placeholder
OTHERS = {  # how files begin that people take for pictures
    b"<!doctype": "an HTML page",
    b"<html": "an HTML page",
    b"<svg": "an SVG drawing: export it as PNG",
    b"<?xml": "an XML document, such as an SVG drawing: export it as PNG",
    b"%pdf": "a PDF document: export the picture as JPEG or PNG",
    b"8bps": "a Photoshop file: export it as JPEG or PNG",
}
HEIC = (b"heic", b"heix", b"hevc", b"mif1", b"msf1")  # brands of the container after "ftyp"

ImageFile.LOAD_TRUNCATED_IMAGES = False
_LARGE = Lock()


class UnreadablePicture(ValueError):
    """The bytes are no usable picture; the message gives the reason for the quarantine table."""


def decode(content: bytes | None, most: int = MAX_PIXELS) -> np.ndarray:
    """Decodes one picture; one of more than `DETAIL` pixels is shrunk.

    Args:
        content: the file's bytes, or None for a missing file.
        most: pixels that the file may have; its header is read before any of them.

    Returns:
        uint8 array (height, width, 3), RGB, turned upright by its EXIF orientation, on white where
        it is transparent.

    Raises:
        UnreadablePicture: the file is missing, empty, no picture or truncated, or the decoded
            picture would have more than `most` pixels.
    """
    if content is None:
        raise UnreadablePicture("the file is missing")
    if not content:
        raise UnreadablePicture("the file is empty (0 bytes)")
    too_many = f"its pixels are over the limit of {most:,} (decompression bomb?)"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow, on bombs: the size is checked below
            picture: Image.Image = Image.open(io.BytesIO(content), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise UnreadablePicture(too_many) from error
    except Exception as error:
        raise UnreadablePicture(f"the file is {_kind(content)}") from error
    pixels = picture.width * picture.height
    if pixels > most:
        raise UnreadablePicture(too_many)
    large = pixels > DETAIL
    try:
        with _alone() if large else nullcontext():
            picture = _shrunk(picture) if large else ImageOps.exif_transpose(picture)
            if picture.has_transparency_data:
                layer = picture.convert("RGBA")
                picture = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
            if picture.mode.startswith(("I", "F")):
                picture = _eight_bits(picture)
            return np.asarray(picture.convert("RGB"))
    except UnreadablePicture:
        raise
    except Exception as error:
        raise UnreadablePicture("the picture is truncated or damaged") from error


def decode_product(content: bytes | None, most: int = MAX_PIXELS) -> np.ndarray:
    """Decodes the picture of a product, which must show something; as `decode` otherwise.

    Raises:
        UnreadablePicture: as `decode`, or the picture is blank, such as a placeholder.
    """
    picture = decode(content, most)
    if is_blank(picture):
        raise UnreadablePicture("the picture is blank")
    return picture


def placeholders(digests: Iterable[object]) -> list[str | None]:
    """Finds products whose picture stands for many: it says nothing about any of them.

    Args:
        digests: a hash of each product's picture; what is no text counts as no picture.

    Returns:
        The reason for each product of a picture that more than `SHARED` products use, or None.
    """
    listed = [one if isinstance(one, str) else None for one in digests]
    count = Counter(listed)
    return [
        f"its picture stands for {count[one]} products: a placeholder?"
        if one is not None and count[one] > SHARED
        else None
        for one in listed
    ]


def is_blank(picture: np.ndarray) -> bool:
    """Returns whether a picture, uint8 (height, width, 3), has one luminance all over."""
    total = picture[..., 0].astype(np.uint16) + picture[..., 1] + picture[..., 2]
    return float(total.std()) / 3 < BLANK  # 7 times as fast as a mean over the last axis


@contextmanager
def _alone() -> Iterator[None]:
    """Lets one large picture be decoded at a time: each may take 400 MB, which is given back."""
    with _LARGE:
        try:
            yield
        finally:
            release_memory()


def _shrunk(picture: Image.Image) -> Image.Image:
    """Decodes a large picture, turned upright, to about `DETAIL` pixels."""
    picture.draft(picture.mode, _sides(picture))  # a JPEG: at 1/2, 1/4 or 1/8 of its sides
    ImageOps.exif_transpose(picture, in_place=True)
    if picture.mode in ("1", "P", "PA"):  # these could only be thinned out
        picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    thinned = picture.mode.startswith(("I", "F"))
    how = Image.Resampling.NEAREST if thinned else Image.Resampling.BOX
    return picture.resize(_sides(picture), how)


def _sides(picture: Image.Image) -> tuple[int, int]:
    """The width and height at which a picture has `DETAIL` pixels at most."""
    scale = min(1, (DETAIL / (picture.width * picture.height)) ** 0.5)
    return max(1, int(picture.width * scale)), max(1, int(picture.height * scale))


def _kind(content: bytes) -> str:
    """What a file is that is no picture of `FORMATS`, in words."""
    if content[4:8] == b"ftyp" and content[8:12] in HEIC:
        return "a HEIC picture, which is not read: save it as JPEG"
    start = content[:64].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return next(
        (words for sign, words in OTHERS.items() if start.startswith(sign)), "not a picture"
    )


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Scales gray of 16 bits to 8; Pillow would clip it to black and white."""
    levels = np.asarray(picture)
    if levels.dtype.kind == "f" or levels.min() < 0 or levels.max() > 65535:
        raise UnreadablePicture("the picture has no levels of 8 or 16 bits: save it as PNG")
    return Image.fromarray(
        (levels // 257).astype(np.uint8) if levels.max() > 255 else levels.astype(np.uint8)
    )
