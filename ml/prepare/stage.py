"""Stage prepare: crops every product once, into memory-mapped arrays."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.lib.format import open_memmap

from ml.core.device import exact
from ml.core.disk_space import reserve
from ml.core.files import read_table, replacing, write_json, write_table
from ml.core.params import load_params
from ml.core.paths import PARAMS, PREPARED, SNAPSHOT, VALIDATED
from ml.core.progress import progress
from ml.data.images import decode
from ml.prepare.box_sheet import draw_boxes
from ml.prepare.crop import CropParams
from ml.prepare.detector import save_detector
from ml.prepare.foreground import Box
from ml.prepare.masked_crop import crop_product


def main(
    snapshot: Path = SNAPSHOT,
    validated: Path = VALIDATED,
    params_file: Path = PARAMS,
    out: Path = PREPARED,
) -> None:
    """Crops every accepted product.

    Writes images.npy, masks.npy, boxes.png, products.parquet, pairs.parquet, prepare.json and
    detector.safetensors.
    """
    how = load_params("prepare", CropParams, params_file)
    detects = how.localizer == "detector"
    if detects:
        exact(1)  # pictures are cropped in parallel anyway; boxes then do not depend on the cores
    # Without a detector the file holds no tensors: DVC needs the same files for all params.
    save_detector(how.detector if detects else None, out / "detector.safetensors")
    products = read_table(validated / "products.parquet")
    boxes = write_arrays(products, snapshot / "images", how, out)
    products[["box_left", "box_top", "box_right", "box_bottom"]] = pd.DataFrame(
        boxes, index=products.index
    )
    draw_boxes(out / "boxes.png", products[products["split"] == "test"], snapshot / "images")
    write_table(out / "products.parquet", products)
    write_table(out / "pairs.parquet", read_table(validated / "pairs.parquet"))
    write_json(out / "prepare.json", json.loads(how.model_dump_json()))


def write_arrays(products: pd.DataFrame, images: Path, how: CropParams, out: Path) -> list[Box]:
    """Crops products in parallel.

    Writes images.npy, uint8 (products, side, side, 3), and masks.npy, uint8 (products, side, side),
    255 on the product.

    Returns:
        The box of each product in its picture.
    """
    count, side = len(products), how.side
    boxes = []

    def crop(name: str, article_type: str) -> tuple[np.ndarray, np.ndarray, Box]:
        return crop_product(decode((images / name).read_bytes()), how, article_type=article_type)

    with replacing(out / "images.npy") as images_part, replacing(out / "masks.npy") as masks_part:
        crops = open_memmap(images_part, "w+", np.uint8, (count, side, side, 3))
        masks = open_memmap(masks_part, "w+", np.uint8, (count, side, side))
        reserve(images_part)
        reserve(masks_part)
        with progress("prepare", count, "pictures") as advance, ThreadPoolExecutor() as pool:
            results = pool.map(crop, products["sha256"], products["article_type"])
            for index, (picture, mask, box) in enumerate(results):
                crops[index], masks[index] = picture, mask
                boxes.append(box)
                advance()
        crops.flush()
        masks.flush()
    return boxes
