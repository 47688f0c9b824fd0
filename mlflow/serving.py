"""The served model, as MLflow runs it (models from code): it groups a table of products.

The model's folder holds weights (safetensors, and ONNX for speed) and JSON. Its code is the copy of
`ml` that is registered with the model.
"""

import base64
import binascii
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel

from ml.serve.predictor import Predictor

NEEDED = ("image", "brand", "gender", "article_type")


class ColorVariants(PythonModel):
    """Groups products whose pictures show one design, within one brand, gender and article type."""

    def load_context(self, context: Any) -> None:
        """Loads weights, configuration and threshold."""
        self.predictor = Predictor(Path(context.artifacts["model"]))

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Groups or embeds products by their pictures.

        Args:
            context: not used.
            model_input: columns image (path, file bytes, or those bytes as base64), brand, gender,
                article_type; optionally product_id, from which groups are then named.
            params: "output": "groups" (default) or "embeddings"; "threshold": 1 − cosine, where 0
                (default) means the model's own.

        Returns:
            One row for each product, in the order of the input: group, score and problem (see
            `ml.serve.predictor.Predictor.group`), or the columns of its embedding, relative to the
            blocks of this table.

        Raises:
            ValueError: a column is missing.
        """
        wanted = params or {}
        missing = [column for column in NEEDED if column not in model_input]
        if missing:
            raise ValueError(
                f"the table lacks {', '.join(missing)}: give the columns {', '.join(NEEDED)}"
            )
        table = model_input.reset_index(drop=True)
        pictures = (_content(image) for image in table["image"])
        embedded = self.predictor.embed(pictures, table["article_type"].astype(str))
        if wanted.get("output", "groups") == "embeddings":
            return pd.DataFrame(self.predictor.relative(table, embedded))
        return self.predictor.group(table, embedded, wanted.get("threshold") or None)


def _content(image: Any) -> bytes | None:
    """Returns a picture's file bytes; it is given as bytes, as a path, or as base64 (over HTTP)."""
    if isinstance(image, bytes | bytearray | memoryview):
        return bytes(image)
    if not isinstance(image, str):
        return None
    try:
        return Path(image).read_bytes()
    except (OSError, ValueError):
        pass  # no such file, or not even a file name: perhaps it is base64
    try:
        return base64.b64decode(image.partition("base64,")[2] or image, validate=True)
    except (binascii.Error, ValueError):
        return None


set_model(ColorVariants())
