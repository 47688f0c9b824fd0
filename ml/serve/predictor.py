"""Predicts with a trained model: embeddings of products, or groups of colour variants."""

import math
import os
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ml.core.allocator import keep_memory
from ml.core.files import read_json
from ml.core.progress import Advance
from ml.data.blocks import block_numbers, relative_to_block
from ml.data.images import MAX_PIXELS, UnreadablePicture, decode_product, placeholders
from ml.grouping.calibration import Calibration
from ml.grouping.grouping import ClusteringName, Grouping
from ml.grouping.product_scores import product_scores
from ml.model.embedding import embed_pictures
from ml.model.encoder import load_encoder
from ml.prepare.crop import CropParams, crop_picture, with_weights
from ml.serve.onnx_encoder import OnnxEncoder

CHUNK = 256  # pictures that are decoded at once
THREADS = min(8, os.cpu_count() or 1)  # that decode: each may need 150 MB for a large picture
TOO_LATE = "the time limit of the request was reached: ask about fewer products at once"


@dataclass(frozen=True)
class Embedded:
    """Embeddings of a table's pictures.

    Attributes:
        embeddings: float32 (products, size), each of length 1; zero if there is a problem.
        problems: for each product the reason why its picture could not be read, or None.
    """

    embeddings: np.ndarray
    problems: list[str | None]

    @property
    def readable(self) -> np.ndarray:
        """Whether each picture could be read: bool (products,)."""
        return np.array([problem is None for problem in self.problems], dtype=bool)


class Predictor:
    """A loaded model.

    Args:
        folder: it holds encoder.safetensors and encoder.json of the stage train, grouping.json of
            the stage evaluate, and, if products are found by a detector, detector.safetensors of
            the stage prepare. A packaged model also has encoder.onnx; without it torch embeds.
    """

    def __init__(self, folder: Path) -> None:
        keep_memory()
        self.embed_crops, self.size, facts = _open_encoder(folder)
        self.crop = with_weights(CropParams(**facts["prepare"]), folder / "detector.safetensors")
        grouping = read_json(folder / "grouping.json")
        self.clustering: ClusteringName = grouping["method"]
        self.threshold: float = grouping["threshold"]
        self.block_prior: float = grouping["block_prior"]
        calibration = grouping["calibration"]  # None: the shop of training had no annotated pairs
        self.calibration = Calibration(**calibration) if calibration else None
        least = grouping["publish"]  # score of a published group; None: none is published
        self.publish: float = math.inf if least is None else least

    def embed(
        self,
        pictures: Iterable[bytes | UnreadablePicture | None],
        article_types: Iterable[str],
        advance: Advance = lambda count: None,
        *,
        pixels: int = MAX_PIXELS,
        until: float = math.inf,
    ) -> Embedded:
        """Crops and embeds pictures chunk by chunk, so that memory does not grow with their number.

        Args:
            pictures: the bytes of each picture's file, None for a missing file, or why there are
                none.
            article_types: the article type of each product.
            advance: called after each chunk with the number of its pictures.
            pixels: that a picture's file may have.
            until: a time of `time.monotonic`, in seconds; pictures are not read after it.
        """
        embeddings, problems = [np.zeros((0, self.size), np.float32)], []
        digests: list[str | None] = []
        source = zip(pictures, article_types, strict=True)
        with ThreadPoolExecutor(THREADS) as pool:
            while chunk := list(islice(source, CHUNK)):
                crops = list(pool.map(lambda one: self._crop(one[0], one[1], pixels, until), chunk))
                digests += [
                    sha256(one).hexdigest() if isinstance(one, bytes) else None for one, _ in chunk
                ]
                good = [place for place, crop in enumerate(crops) if not isinstance(crop, str)]
                part = np.zeros((len(chunk), self.size), np.float32)
                if good:
                    part[good] = self.embed_crops(np.stack([crops[place] for place in good]))
                embeddings.append(part)
                problems += [crop if isinstance(crop, str) else None for crop in crops]
                advance(len(chunk))
        found = np.concatenate(embeddings)
        for place, placeholder in enumerate(placeholders(digests)):
            if placeholder and problems[place] is None:
                problems[place], found[place] = placeholder, 0
        return Embedded(found, problems)

    def _crop(
        self,
        content: bytes | UnreadablePicture | None,
        article_type: str,
        pixels: int,
        until: float,
    ) -> np.ndarray | str:
        if isinstance(content, UnreadablePicture):
            return str(content)
        if time.monotonic() > until:
            return TOO_LATE
        try:
            picture = decode_product(content, pixels)
            return crop_picture(picture, self.crop, article_type=article_type)
        except UnreadablePicture as error:
            return str(error)

    def relative(self, products: pd.DataFrame, embedded: Embedded) -> np.ndarray:
        """Computes embeddings relative to the blocks of this table (see `ml.data.blocks`).

        Embeddings are compared in this form.

        Args:
            products: brand, gender, article_type; of whole blocks, if possible.

        Returns:
            float32 (products, size), each of length 1; zero if the picture is unreadable.
        """
        good = embedded.readable
        relative = np.zeros_like(embedded.embeddings)
        if good.any():
            relative[good] = relative_to_block(
                embedded.embeddings[good], block_numbers(products[good]), self.block_prior
            )
        return relative

    def group(
        self, products: pd.DataFrame, embedded: Embedded, threshold: float | None = None
    ) -> pd.DataFrame:
        """Groups products within their blocks.

        Args:
            products: brand, gender, article_type; optionally product_id, which then names the
                groups.
            threshold: 1 − cosine; by default the model's own.

        Returns:
            One row per product, in order:
            group: the first product_id of the group in sorted order or, without ids, its first
                position in the table; None if the picture is unreadable.
            score: probability that the product is a variant of another member, averaged over the
                group; NaN for a product alone, and for a model without a calibration.
            band: "publish" if the group's mean score is high enough for the wanted precision, else
                "review"; "leave" for a product alone; None if the picture is unreadable.
            problem: why the picture is unreadable, or None.
        """
        numbers = pd.Series(range(len(products))).astype(str).str.zfill(len(str(len(products))))
        names = (
            products["product_id"].astype(str) if "product_id" in products else numbers
        ).to_numpy(dtype=object)
        good = embedded.readable
        group = np.full(len(products), None, dtype=object)
        score, band = np.full(len(products), np.nan), np.full(len(products), None, dtype=object)
        if good.any():
            block = block_numbers(products[good])
            embeddings = self.relative(products, embedded)[good]
            grouping = Grouping(embeddings, block, self.clustering)
            label = grouping.cut(self.threshold if threshold is None else threshold)
            if self.calibration:
                score[good] = product_scores(embeddings, block, label, self.calibration)
            group[good], band[good] = _name(label, names[good]), self._band(label, score[good])
        columns = {"group": group, "score": score, "band": band, "problem": embedded.problems}
        return pd.DataFrame(columns)

    def _band(self, label: np.ndarray, score: np.ndarray) -> np.ndarray:
        size = np.bincount(label)
        good = np.bincount(label, score) / size >= self.publish
        return np.where(size == 1, "leave", np.where(good, "publish", "review"))[label]


def _open_encoder(folder: Path) -> tuple[Callable[[np.ndarray], np.ndarray], int, dict[str, Any]]:
    """Returns a function that embeds crops, the length of embeddings, and encoder.json."""
    if (folder / "encoder.onnx").is_file():
        exported = OnnxEncoder(folder / "encoder.onnx")
        return exported.embed, exported.size, read_json(folder / "encoder.json")
    encoder, facts = load_encoder(folder)
    return partial(embed_pictures, encoder), encoder.size, facts


def _name(label: np.ndarray, names: np.ndarray) -> np.ndarray:
    """Names groups after their first name in sorted order, whatever the order of products."""
    return np.asarray(pd.Series(names).groupby(label).transform("min"), dtype=object)
