"""Reads the pictures of a table: given as bytes, as base64, or as paths below a stated root."""

import base64
import binascii
from pathlib import Path
from typing import Any

from ml.data.images import UnreadablePicture
from ml.serve.limits import Limits


def read_picture(image: Any, limits: Limits) -> bytes | UnreadablePicture | None:
    """Reads one picture; it never opens a file outside `limits.root`.

    Args:
        image: the file's bytes; or a text, which is a data: URL, a path where the limits name a
            root, and base64 where they name none.

    Returns:
        The file's bytes, None for no picture at all, or why it cannot be read.
    """
    most = limits.picture_bytes
    try:
        if isinstance(image, bytes | bytearray | memoryview):
            content = bytes(image)
        elif not isinstance(image, str):
            return None
        elif limits.root is not None and not image.startswith("data:"):
            content = _read_file(image, Path(limits.root), most)
        else:
            content = _decode_base64(image, most)
    except UnreadablePicture as error:
        return error
    return content if len(content) <= most else _too_large(most)


def _too_large(most: int) -> UnreadablePicture:
    return UnreadablePicture(f"its file has more than the limit of {most:,} bytes")


def _decode_base64(text: str, most: int) -> bytes:
    encoded = text.partition("base64,")[2] or text
    if len(encoded) > 4 * (most // 3 + 1):
        raise _too_large(most)
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise UnreadablePicture(
            "the image is no base64 of a picture's file, and a path is not opened here"
        ) from error


def _read_file(path: str, root: Path, most: int) -> bytes:
    """Reads at most `most` + 1 bytes of a regular file below `root`, links followed."""
    tried = root / path
    try:
        place = tried.resolve(strict=True)
        inside = place.is_relative_to(root.resolve())
        if inside and place.is_file():  # no folder, pipe or device
            with place.open("rb") as file:
                return file.read(most + 1)
    except (OSError, ValueError, RuntimeError) as error:
        raise UnreadablePicture(f"the file is missing or cannot be read: '{tried}'") from error
    fault = "is no regular file" if inside else f"is outside the root '{root}'"
    raise UnreadablePicture(f"'{tried}' {fault}")
