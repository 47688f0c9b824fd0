"""The served model, as MLflow runs it (models from code): it groups a table of products.

The model's folder holds weights (safetensors, and ONNX for speed) and JSON. Its code is the copy of
`ml` that is registered with the model.
"""

import json
import logging
import math
import sys
import time
from pathlib import Path
from threading import Lock
from typing import Any

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR, RESOURCE_EXHAUSTED
from mlflow.pyfunc import PythonModel
from mlflow.utils.proto_json_utils import NumpyEncoder

from ml.core.errors import UserError
from ml.data.blocks import fill_unknown
from ml.serve.limits import read_limits
from ml.serve.picture_source import read_picture
from ml.serve.predictor import Predictor
from ml.serve.product_ids import id_names
from ml.serve.request import read_request

NEEDED = ("image", "brand", "gender", "article_type")
OUTPUTS = ("groups", "embeddings")
# The module that `mlflow models serve`, and a container that MLflow builds, load a model from.
SERVER = "mlflow.pyfunc.scoring_server.app"


class ColorVariants(PythonModel):
    """Groups products whose pictures show one design, within one brand, gender and article type."""

    def load_context(self, context: Any) -> None:
        """Loads weights, configuration and threshold.

        In MLflow's server, requests are answered by `answer`, and no path is ever opened.

        Raises:
            UserError: a limit of the model configuration is unknown or out of range.
        """
        self.limits = read_limits(context.model_config)
        self.predictor = Predictor(Path(context.artifacts["model"]))
        self.served, self.turn = SERVER in sys.modules, Lock()
        if self.served:
            from mlflow.pyfunc import scoring_server

            self.limits = self.limits.model_copy(update={"root": None})
            self.response = scoring_server.InvocationsResponse
            scoring_server.invocations = self.answer

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Groups or embeds products by their pictures.

        Args:
            context: not used.
            model_input: columns image (see `ml.serve.picture_source`), brand, gender,
                article_type; optionally product_id, of any type, from which groups are then named.
            params: "output": "groups" (default) or "embeddings"; "threshold": 1 − cosine, above 0
                and up to 2, where 0 (default) means the model's own.

        Returns:
            One row for each product, in the order of the input: product_id as given (if given),
            group, score, band and problem (see `ml.serve.predictor.Predictor.group`), with None for
            what there is not; or the columns of its embedding, relative to the blocks of this
            table.

        Raises:
            MlflowException: a column is missing, an id comes twice, or a param is out of range.
        """
        try:
            return self._predict(model_input.reset_index(drop=True), params or {})
        except UserError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from error

    def _predict(self, table: pd.DataFrame, params: dict[str, Any]) -> pd.DataFrame:
        output, threshold = params.get("output", OUTPUTS[0]), params.get("threshold", 0.0)
        missing = [column for column in NEEDED if column not in table]
        if missing:
            raise UserError(
                f"the table lacks {', '.join(missing)}: give the columns {', '.join(NEEDED)}"
            )
        if output not in OUTPUTS:
            raise UserError(
                f"the output {output!r:.100} is unknown: ask for {' or '.join(OUTPUTS)}"
            )
        if not 0 <= threshold <= 2:
            raise UserError(
                f"the threshold {threshold} is no distance: give a number above 0 and up to 2, or "
                "0 for the model's own"
            )
        limits, named = self.limits, fill_unknown(table)
        if "product_id" in table:
            named["product_id"] = id_names(table["product_id"])
        embedded = self.predictor.embed(
            (read_picture(image, limits) for image in table["image"]),
            named["article_type"].astype(str),
            pixels=limits.picture_pixels,
            until=time.monotonic() + limits.request_seconds if self.served else math.inf,
        )
        if output == "embeddings":
            return pd.DataFrame(self.predictor.relative(named, embedded))
        groups = self.predictor.group(named, embedded, threshold or None).astype(object)
        if "product_id" in table:
            groups.insert(0, "product_id", table["product_id"].astype(object))
        return groups.where(groups.notna(), None)

    def answer(
        self, data: bytes, content_type: str | None, model: Any, input_schema: Any
    ) -> tuple[str, int, str]:
        """Answers a request over HTTP in the place of MLflow's `scoring_server.invocations`.

        MLflow's would answer with NaN, which is no JSON, with stack traces, and with all memory
        that a body asks for. Requests are worked on one at a time: one uses all cores.

        Args:
            data: the request's body.
            content_type: its header of this name.
            model: the loaded model, whose signature MLflow enforces.
            input_schema: not used.

        Returns:
            MLflow's response: text of strict JSON, HTTP status, media type.

        Raises:
            MlflowException: the request is refused, or fails; the message is for the client.
        """
        try:
            table, params = read_request(data, content_type, self.limits)
            if not self.turn.acquire(timeout=self.limits.request_seconds):
                raise MlflowException(
                    "the server is busy with other requests: ask again later", RESOURCE_EXHAUSTED
                )
            try:
                found = model.predict(table, params=params)
            finally:
                self.turn.release()
            if "product_id" in found:
                found["product_id"] = table["product_id"]  # pandas may have made floats of integers
            records = found.to_dict("records")
            text = json.dumps({"predictions": records}, cls=NumpyEncoder, allow_nan=False)
        except UserError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from None
        except MlflowException:
            raise
        except Exception as error:
            logging.getLogger(__name__).exception("a request failed")
            raise MlflowException(
                "the server failed at this request; its log says why", INTERNAL_ERROR
            ) from error
        return self.response(text, 200, "application/json")


set_model(ColorVariants())
