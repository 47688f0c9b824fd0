"""The params of a training: one section of params.yaml, with a section in it for each method."""

from pathlib import Path
from typing import Literal

from pydantic import Field, create_model

from ml.core.params import Params, load_params
from ml.core.paths import PARAMS
from ml.model.encoder import EncoderParams
from ml.train.augment import AugmentParams
from ml.train.methods import TRAINING_METHODS, TrainingMethod
from ml.train.methods.base import MethodParams


class TrainParams(Params):
    """The params under `train` in params.yaml that all methods share.

    `train_params_class` adds a section for each registered method.
    """

    method: str
    epochs: int = Field(ge=0, description="0: the initial weights")
    batch: int = Field(gt=0, description="products in a step")
    learning_rate: float = Field(gt=0, description="peak of the one-cycle schedule")
    heads_rate: float = Field(
        gt=0,
        description="times the learning rate of the encoder: the heads start from random weights",
    )
    warmup: float = Field(
        gt=0, lt=1, description="share of the steps in which the learning rate rises"
    )
    weight_decay: float = Field(ge=0)
    seed: int
    threads: int = Field(gt=0, description="CPU threads; results on the CPU depend on it")
    device: Literal["auto", "cpu", "cuda"]
    compile: bool = Field(
        description="torch.compile the backbone: worth its minute of compiling on a GPU"
    )
    keep: Literal["momentum", "query"] = Field(
        description="the encoder that is kept: the momentum one, where the method has one, or the "
        "one that has gradients"
    )
    blend: float = Field(
        gt=0,
        le=1,
        description="share of the way from the initial to the trained weights; random ones are not "
        "blended",
    )
    encoder: EncoderParams
    augment: AugmentParams

    @property
    def method_class(self) -> type[TrainingMethod]:
        """The training method that `train.method` names."""
        return TRAINING_METHODS[self.method]

    @property
    def method_params(self) -> MethodParams:
        """The section of that method, an object of its `params_class`."""
        section: MethodParams = getattr(self, self.method)
        return section


def train_params_class() -> type[TrainParams]:
    """`TrainParams` with a section for each training method that is registered now."""
    sections = {name: (one.params_class, ...) for name, one in TRAINING_METHODS.items()}
    method = Literal[tuple(TRAINING_METHODS)]  # type: ignore[valid-type]
    return create_model(  # type: ignore[call-overload]
        "TrainParams", __base__=TrainParams, method=(method, ...), **sections
    )


def load_train_params(file: Path = PARAMS) -> TrainParams:
    """Reads the section `train` of params.yaml; raises as `ml.core.params.load_params`."""
    return load_params("train", train_params_class(), file)
