"""Generates a whole shop: catalogue, pictures, annotated pairs, complete blocks."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from ml.core.errors import UserError
from ml.core.files import replacing
from ml.synthetic.blocks import Block, make_block
from ml.synthetic.brands import look
from ml.synthetic.camera import draw_pose
from ml.synthetic.palettes import colourway
from ml.synthetic.photo import photograph
from ml.synthetic.titles import title

SIZE = 224  # pixels, of a picture's side
QUALITY = 92  # of JPEG
SEASONS = ("Summer", "Winter", "Spring", "Fall")
CATALOG = [
    "product_id",
    "image",
    "title",
    "brand",
    "gender",
    "article_type",
    "base_colour",
    "season",
]
PAIRS = ["left", "right", "color_variants", "confidence", "annotator"]
BLOCKS = ["product_id", "design"]


def generate_shop(
    folder: Path,
    products: int,
    seed: int,
    progress: Callable[[int], None] | None = None,
    recoloured: bool = False,
) -> None:
    """Writes a shop in the public data format; the same arguments give the same bytes.

    A shop with more products and the same seed begins with the same products, so it is the smaller
    shop after a delivery of new goods.

    Args:
        folder: a new or empty folder; catalog.csv, pairs.csv, blocks.csv and images/ are written
            into it.
        products: number of products, at least 1.
        seed: at least 0.
        progress: it is called with 1 after each picture.
        recoloured: whether all colourways of a design have the same pose, folds and light, like one
            photograph that is recoloured, as some shops do it. Otherwise each product has a
            photograph of its own.

    Raises:
        UserError: the folder is not empty, is not a folder or cannot be written, or a number is out
            of range.
    """
    if products < 1:
        raise UserError(f"a shop needs at least 1 product, not {products}")
    if seed < 0:
        raise UserError(f"the seed must be 0 or more, not {seed}")
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise UserError(
            f"'{folder}' is not a folder: give a new or empty folder for the generated shop"
        )
    folder = folder.resolve()
    try:
        if folder.exists() and any(folder.iterdir()):
            raise UserError(
                f"the folder '{folder}' is not empty: "
                "give a new or empty folder for the generated shop"
            )
        with replacing(folder) as beside:
            (beside / "images").mkdir(parents=True)
            _write(beside, products, seed, progress, recoloured)
    except OSError as error:
        raise UserError(f"the shop '{folder}' cannot be written: {error}") from error


def _write(
    folder: Path, products: int, seed: int, progress: Callable[[int], None] | None, recoloured: bool
) -> None:
    rows: list[tuple[str, ...]] = []
    pairs: list[tuple[str, str, int, str, str]] = []
    designs: list[tuple[str, str]] = []
    for number, first, block in _blocks(products, seed):
        ids = [product_id(first + place, seed) for place in range(len(block.items))]
        sold = min(len(ids), products - first)
        for place in range(sold):
            random = np.random.default_rng([seed, 2, first + place])
            rows.append(_row(block, place, ids[place], random))
            designs.append((ids[place], f"{number}.{block.items[place].design}"))
            if recoloured:
                random = np.random.default_rng([seed, 3, number, block.items[place].design])
            (folder / "images" / f"{ids[place]}.jpg").write_bytes(
                _picture(block, place, number, seed, random)
            )
            if progress is not None:
                progress(1)
        for pair in block.pairs:
            if pair.right < sold:
                pairs.append(
                    (
                        ids[pair.left],
                        ids[pair.right],
                        pair.color_variants,
                        pair.confidence,
                        "generator",
                    )
                )
    for name, columns, table in (
        ("catalog", CATALOG, rows),
        ("pairs", PAIRS, pairs),
        ("blocks", BLOCKS, designs),
    ):
        frame = pd.DataFrame(table, columns=columns)
        frame.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n", encoding="utf-8")


def product_id(index: int, seed: int) -> str:
    """The id of a product: seven digits or more, unique within a shop, in no order.

    Args:
        index: 0-based index of the product in the shop.
        seed: the seed of the shop.
    """
    million, rest = divmod(index, 1_000_000)
    # 387419 and a million have no common factor, so this is a permutation.
    return str((1 + million) * 1_000_000 + (rest * 387_419 + seed * 7_919) % 1_000_000)


def _blocks(products: int, seed: int) -> Iterator[tuple[int, int, Block]]:
    """Yields blocks until there are enough products.

    Each comes with its 0-based index and the index of its first product.
    """
    number, first = 0, 0
    while first < products:
        block = make_block(number, seed)
        yield number, first, block
        number, first = number + 1, first + len(block.items)


def _row(block: Block, place: int, identity: str, random: np.random.Generator) -> tuple[str, ...]:
    item = block.items[place]
    pattern = block.designs[item.design].pattern
    words = title(block.brand, block.gender, block.article, item.colour, pattern, random)
    season = str(random.choice(SEASONS))
    image = f"images/{identity}.jpg"
    return (
        identity,
        image,
        words,
        block.brand,
        block.gender,
        block.article.name,
        item.colour,
        season,
    )


def _picture(
    block: Block, place: int, number: int, seed: int, random: np.random.Generator
) -> bytes:
    item = block.items[place]
    design = block.designs[item.design]
    pose = draw_pose(random)
    colours = colourway(item.colour, design.scheme, block.theme)
    pixels = photograph(
        design.draw(pose.limb), design.pattern, colours, pose, look(number, seed), random, SIZE
    )
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=QUALITY)
    return file.getvalue()
