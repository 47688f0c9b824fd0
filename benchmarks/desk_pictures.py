"""Makes docs/images/desk-*.jpg: `python -m benchmarks.desk_pictures`.

The browser tests of the desk take a picture of each page at desktop and phone width if the variable
PICTURES names a folder. Those that the docs show are kept as JPEG.
"""

import io
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image, ImageChops

from ml.core.files import replacing

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs/images"
TESTS = tuple(
    f"tests/{name}.py"
    for name in ("test_desk_release_browser", "test_desk_annotate", "test_desk_groups_browser")
)
LARGEST = 150_000  # bytes of a picture
MARGIN = 24  # pixels that stay below what is shown


def jpeg(picture: Image.Image) -> bytes:
    """Encodes a picture without what is empty below, as well as `LARGEST` lets it."""
    empty = Image.new("RGB", picture.size, picture.getpixel((0, picture.height - 1)))
    *_, below = ImageChops.difference(picture, empty).getbbox() or (picture.height,)
    picture = picture.crop((0, 0, picture.width, min(picture.height, below + MARGIN)))
    for quality in range(88, 20, -4):
        content = io.BytesIO()
        picture.save(content, "JPEG", quality=quality, optimize=True)
        if content.tell() <= LARGEST:
            break
    return content.getvalue()


def keep(folder: Path) -> list[str]:
    """Replaces each picture of the docs that the tests have taken anew; returns the names.

    A new one is added by hand, once a page shows it.
    """
    kept = []
    for file in sorted(IMAGES.glob("desk-*.jpg")):
        taken = folder / f"{file.stem}.png"
        if taken.is_file():
            with Image.open(taken) as picture, replacing(file) as beside:
                beside.write_bytes(jpeg(picture.convert("RGB")))
            kept.append(file.name)
    return kept


def main() -> None:
    """Runs the browser tests and keeps their pictures."""
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pytest", "-q", *TESTS]
        subprocess.run(command, cwd=ROOT, env=os.environ | {"PICTURES": folder}, check=True)
        print("made anew:", ", ".join(keep(Path(folder))))


if __name__ == "__main__":
    main()
