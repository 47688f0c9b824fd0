"""Decodes pictures from untrusted bytes."""

import io
import warnings

import numpy as np
from PIL import Image, ImageFile, ImageOps

MAX_PIXELS = 50_000_000  # a 7,000 × 7,000 photo; more is taken for a decompression bomb
# Web browsers use decoders of these formats on hostile input.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")

ImageFile.LOAD_TRUNCATED_IMAGES = False


class UnreadablePicture(ValueError):
    """The bytes are no usable picture; the message gives the reason for the quarantine table."""


def decode(content: bytes | None) -> np.ndarray:
    """Decodes one picture.

    Args:
        content: the file's bytes, or None for a missing file.

    Returns:
        uint8 array (height, width, 3), RGB, turned upright by its EXIF orientation, on white where
        it is transparent.

    Raises:
        UnreadablePicture: the file is missing, empty, no picture or truncated, or the decoded
            picture would have more than `MAX_PIXELS` pixels.
    """
    if content is None:
        raise UnreadablePicture("the file is missing")
    if not content:
        raise UnreadablePicture("the file is empty (0 bytes)")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow, on bombs: the size is checked below
            picture: Image.Image = Image.open(io.BytesIO(content), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise UnreadablePicture(
            f"its pixels are over the limit of {MAX_PIXELS:,} (decompression bomb?)"
        ) from error
    except Exception as error:
        start = content[:64].lstrip().lower()
        what = "an HTML page" if start.startswith((b"<!doctype", b"<html")) else "not a picture"
        raise UnreadablePicture(f"the file is {what}") from error
    if picture.width * picture.height > MAX_PIXELS:
        raise UnreadablePicture(
            f"its pixels are over the limit of {MAX_PIXELS:,} (decompression bomb?)"
        )
    try:
        picture = ImageOps.exif_transpose(picture)
        if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
            layer = picture.convert("RGBA")
            picture = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
        return np.asarray(picture.convert("RGB"))
    except Exception as error:
        raise UnreadablePicture("the picture is truncated or damaged") from error
