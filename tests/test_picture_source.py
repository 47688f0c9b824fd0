"""Pictures of a table are opened below a stated root only, and only if they are regular files."""

import base64
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.core.errors import UserError
from ml.data.images import UnreadablePicture
from ml.serve.limits import Limits, read_limits
from ml.serve.picture_source import read_picture


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with pictures, beside a file that is private."""
    (tmp_path / "private.jpg").write_bytes(b"private")
    root = tmp_path / "shop"
    (root / "images").mkdir(parents=True)
    (root / "images/1.jpg").write_bytes(b"picture")
    (root / "images/inside.jpg").symlink_to("1.jpg")
    (root / "images/outside.jpg").symlink_to(tmp_path / "private.jpg")
    (root / "away").symlink_to(tmp_path)
    (root / "loop").symlink_to("loop")
    os.mkfifo(root / "pipe")
    return root


def test_a_path_is_absolute_or_from_the_root(root: Path) -> None:
    limits = Limits(root=str(root))
    for path in ("images/1.jpg", "./images/../images/1.jpg", str(root / "images/1.jpg")):
        assert read_picture(path, limits) == b"picture"
    assert read_picture("images/inside.jpg", limits) == b"picture"


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("images/2.jpg", "missing"),
        ("images", "no regular file"),
        ("pipe", "no regular file"),
        ("images/outside.jpg", "outside the root"),
        ("../private.jpg", "outside the root"),
        ("away/private.jpg", "outside the root"),
        ("/dev/zero", "outside the root"),
        ("loop", "cannot be read"),
        ("nul\0", "cannot be read"),
        ("a" * 5000, "cannot be read"),
    ],
)
def test_what_is_no_regular_file_in_the_root_is_not_opened_and_the_path_tried_is_named(
    root: Path, path: str, fault: str
) -> None:
    """A pipe is not waited for."""
    found: list[object] = []
    reader = threading.Thread(
        target=lambda: found.append(read_picture(path, Limits(root=str(root)))), daemon=True
    )
    reader.start()
    reader.join(timeout=10)
    assert isinstance(found[0], UnreadablePicture)
    assert fault in str(found[0])
    assert str(root / path) in str(found[0])


def test_a_device_in_the_root_is_not_opened() -> None:
    assert "no regular file" in str(read_picture("/dev/zero", Limits(root="/")))


@given(st.text() | st.binary(max_size=30).map(lambda raw: f"data:x;base64,{raw!r}"))
def test_without_a_root_no_text_is_a_path(text: str) -> None:
    found = read_picture(text, Limits())
    encoded = text.partition("base64,")[2] or text
    if isinstance(found, bytes):
        assert base64.b64encode(found).decode() == encoded
    else:
        assert "a path is not opened here" in str(found)


def test_a_file_over_the_limit_is_refused_however_it_is_given(root: Path) -> None:
    limits = Limits(root=str(root), picture_bytes=6)
    for image in (b"picture", "images/1.jpg", "data:;base64,cGljdHVyZQ=="):
        assert str(read_picture(image, limits)) == "its file has more than the limit of 6 bytes"
    assert read_picture("data:;base64,cGljdHVyZQ==", Limits(picture_bytes=7)) == b"picture"


@pytest.mark.parametrize("config", [{"rows": 3}, {"request_rows": 0}, {"picture_pixels": "many"}])
def test_a_limit_that_is_unknown_or_out_of_range_is_refused_by_its_name(config: dict) -> None:
    with pytest.raises(UserError, match=next(iter(config))):
        read_limits(config)
