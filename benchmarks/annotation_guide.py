"""Makes docs/images/variants-*.jpg, the pictures of the guide for annotators.

`python -m benchmarks.annotation_guide` draws pairs of the generated shop: those that count as
colour variants, and those that do not.
"""

import io
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from PIL import Image, ImageDraw, ImageFont

from ml.core.files import replacing
from ml.synthetic import generate_shop

IMAGES = Path(__file__).parents[1] / "docs/images"
PRODUCTS, SIDE, GAP, LINE, COLUMNS = 120, 210, 12, 30, 3
SAME = (
    ("1559665", "1109341", "one check, two colours"),
    ("1748380", "1135799", "one print on another cloth"),
    ("1036447", "1360961", "gray and black"),
    ("1235151", "1009989", "print and cloth both change"),
    ("1579643", "1354481", "plain, one cut"),
    ("1821274", "1983531", "stripes of other colours"),
)
DIFFERENT = (
    ("1407397", "1182235", "stripes of another width"),
    ("1622570", "1784827", "a print and none"),
    ("1559665", "1721922", "another check"),
    ("1029967", "1579643", "another collar"),
    ("1119330", "1669006", "another cut"),
    ("1046436", "1208693", "another closure and length"),
)


def sheet(shop: Path, pairs: tuple[tuple[str, str, str], ...]) -> bytes:
    """Draws pairs with words below each, as JPEG."""
    images = pd.read_csv(shop / "catalog.csv", dtype=str).set_index("product_id")["image"]
    font = ImageFont.load_default(17)
    width, height = 2 * SIDE + GAP, SIDE + LINE + GAP
    rows = -(-len(pairs) // COLUMNS)
    drawn = Image.new("RGB", (COLUMNS * (width + GAP), rows * height), "white")
    write = ImageDraw.Draw(drawn)
    for place, (left, right, words) in enumerate(pairs):
        x, y = place % COLUMNS * (width + GAP), place // COLUMNS * height
        for at, product in enumerate((left, right)):
            with Image.open(shop / images[product]) as picture:
                drawn.paste(picture.convert("RGB").resize((SIDE, SIDE)), (x + at * SIDE, y))
        write.text((x + 4, y + SIDE + 4), words, "black", font)
    content = io.BytesIO()
    drawn.save(content, "JPEG", quality=80, optimize=True)
    return content.getvalue()


def main() -> None:
    """Draws both sheets."""
    with TemporaryDirectory() as folder:
        shop = Path(folder) / "shop"
        generate_shop(shop, PRODUCTS, seed=0)
        for name, pairs in (("same", SAME), ("different", DIFFERENT)):
            with replacing(IMAGES / f"variants-{name}.jpg") as beside:
                beside.write_bytes(sheet(shop, pairs))


if __name__ == "__main__":
    main()
