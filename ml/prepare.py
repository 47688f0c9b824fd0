"""Stage prepare: finds, crops and resizes every product once, into memory-mapped arrays, and splits them by brand."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.lib.format import open_memmap

from ml.crop import CropParams, crop_product
from ml.files import read_table, replacing, write_json, write_table
from ml.images import decode
from ml.layout import PARAMS, PREPARED, SNAPSHOT, VALIDATED
from ml.params import load_params
from ml.progress import progress
from ml.split import split_of
from ml.stage import run_stage


def main(
    snapshot: Path = SNAPSHOT,
    validated: Path = VALIDATED,
    params: Path = PARAMS,
    out: Path = PREPARED,
) -> None:
    """Crops every accepted product and writes images.npy, masks.npy, products.parquet, pairs.parquet and prepare.json."""
    how = load_params("prepare", CropParams, params)
    products = read_table(validated / "products.parquet")
    boxes = write_arrays(products, snapshot / "images", how, out)
    products[["box_left", "box_top", "box_right", "box_bottom"]] = pd.DataFrame(boxes, index=products.index)
    products["split"] = products["brand"].map(split_of)
    write_table(out / "products.parquet", products)
    write_table(out / "pairs.parquet", read_table(validated / "pairs.parquet"))
    write_json(out / "prepare.json", json.loads(how.model_dump_json()))


def write_arrays(products: pd.DataFrame, images: Path, how: CropParams, out: Path) -> list[tuple[int, int, int, int]]:
    """Writes images.npy (uint8, products × size × size × 3) and masks.npy (uint8, products × size × size); returns boxes."""
    count, size = len(products), how.size
    boxes = []
    with replacing(out / "images.npy") as images_part, replacing(out / "masks.npy") as masks_part:
        crops = open_memmap(images_part, "w+", np.uint8, (count, size, size, 3))
        masks = open_memmap(masks_part, "w+", np.uint8, (count, size, size))
        with progress("prepare", count, "pictures") as advance, ThreadPoolExecutor() as pool:
            results = pool.map(lambda name: crop_product(decode((images / name).read_bytes()), how), products["sha256"])
            for row, (crop, mask, box) in enumerate(results):
                crops[row], masks[row] = crop, mask
                boxes.append(box)
                advance()
        crops.flush()
        masks.flush()
    return boxes


if __name__ == "__main__":
    run_stage(main)
