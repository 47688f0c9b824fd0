"""The JSON schema of params.yaml: editors complete by it, and it refuses a wrong param at once.

`python -m flows.local.params_schema` writes it from the classes of the sections.
"""

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from pydantic import ValidationError
from pydantic.json_schema import models_json_schema

from flows.local.overrides import overridden
from ml.core.errors import UserError
from ml.core.files import write_json
from ml.core.params import Params, describe, profile_params, read_params
from ml.core.paths import PARAMS

SCHEMA = "params.schema.json"


def sections() -> dict[str, type[Params]]:
    """Returns the class of each section; they import torch, which takes seconds."""
    from ml.catalogue.memory import MemoryParams
    from ml.evaluate.params import EvaluateParams
    from ml.prepare.crop import CropParams
    from ml.train.params import train_params_class
    from ml.validate.stage import ValidateParams

    return {
        "validate": ValidateParams,
        "prepare": CropParams,
        "train": train_params_class(),
        "evaluate": EvaluateParams,
        "catalogue": MemoryParams,
    }


def schema() -> dict[str, Any]:
    """Returns the schema that belongs to the classes."""
    models = sections()
    references, shared = models_json_schema([(one, "validation") for one in models.values()])
    return {
        "$schema": Draft202012Validator.META_SCHEMA["$id"],
        "title": f"{PARAMS}, written by `make schema`",
        "type": "object",
        "properties": {name: references[one, "validation"] for name, one in models.items()},
        "required": list(models),
        **shared,
    }


def refuse_wrong_params(root: Path, params: dict[str, Any]) -> None:
    """Refuses params that a stage would refuse, before anything is computed.

    Rules between several params are not in the schema: their stage refuses what breaks them. The
    classes are imported only if the schema does not take the params: they say what is wrong, and
    they decide where somebody has changed them and not the schema.

    Args:
        root: top folder of a checkout, with its schema.
        params: all sections.

    Raises:
        UserError: params are missing, unknown or out of range; the message names each.
    """
    file = root / SCHEMA
    if file.is_file() and Draft202012Validator(json.loads(file.read_bytes())).is_valid(params):
        return
    mistakes = []
    for name, model in sections().items():
        try:
            model.model_validate(params.get(name))
        except ValidationError as error:
            mistakes.append(describe(error, name))
    if mistakes:
        raise UserError(f"{PARAMS} does not hold: {'; '.join(mistakes)}")


def refuse_overrides(root: Path, profile: str, overrides: dict[str, Any]) -> None:
    """Refuses, as `refuse_wrong_params`, what a checkout's params would become.

    Args:
        root: top folder of the checkout.
        profile: name of a profile, or "".
        overrides: param → its new value.
    """
    file = root / PARAMS
    changes = (profile_params(profile, file) if profile else {}) | overrides
    refuse_wrong_params(root, overridden(read_params(file), changes))


if __name__ == "__main__":
    write_json(Path(__file__).parents[2] / SCHEMA, schema())
