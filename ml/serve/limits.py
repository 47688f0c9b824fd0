"""The limits of a served model, which MLflow calls its model configuration."""

from typing import Any

from pydantic import Field, ValidationError

from ml.core.errors import UserError
from ml.core.params import Params, describe
from ml.data.images import MAX_PIXELS


class Limits(Params):
    """What a loaded model opens and accepts.

    The process that loads the model states them (`model_config` of `mlflow.pyfunc.load_model`, or
    the variable MLFLOW_PYFUNC_INFERENCE_CONFIG); a request cannot.
    """

    root: str | None = Field(
        default=None,
        description="folder of the pictures that a table names by paths; None: no paths",
    )
    picture_bytes: int = Field(default=30_000_000, gt=0, description="bytes of one picture's file")
    picture_pixels: int = Field(default=MAX_PIXELS, gt=0, description="pixels of one picture")
    request_bytes: int = Field(default=64_000_000, gt=0, description="bytes of a request over HTTP")
    request_rows: int = Field(default=1000, gt=0, description="products in a request over HTTP")
    request_seconds: float = Field(
        default=25, gt=0, description="a request over HTTP waits so long, and is worked on so long"
    )


def read_limits(config: dict[str, Any] | None) -> Limits:
    """Reads the limits from a model configuration; what it lacks has its default.

    Raises:
        UserError: a limit is unknown or no number above zero; the message names it.
    """
    try:
        return Limits.model_validate(config or {})
    except ValidationError as error:
        raise UserError(f"the model configuration does not hold: {describe(error)}") from error
