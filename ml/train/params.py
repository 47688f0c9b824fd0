"""The params of a training: the section `train` of params.yaml, with a section for each method."""

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
    epochs: int = Field(ge=0, description="number of epochs; 0: the initial weights")
    batch: int = Field(gt=0, description="products in a step")
    learning_rate: float = Field(gt=0, description="peak of the one-cycle schedule")
    heads_rate: float = Field(
        gt=0,
        description="learning rate of the heads, which start from random weights, in multiples of "
        "the encoder's",
    )
    warmup: float = Field(
        gt=0, lt=1, description="share of the steps in which the learning rate rises"
    )
    weight_decay: float = Field(ge=0)
    seed: int
    threads: int = Field(gt=0, description="CPU threads; results on the CPU depend on it")
    device: Literal["auto", "cpu", "cuda"]
    compile: bool = Field(
        description="compile the backbone with torch.compile, which pays on a GPU after a minute"
    )
    keep: Literal["momentum", "query"] = Field(
        description="the encoder that is kept: the momentum encoder, if the method has one, or the "
        "query encoder, which has gradients"
    )
    blend: float = Field(
        gt=0,
        le=1,
        description="share of the way from the initial to the trained weights; initial weights "
        "that are random are not blended in",
    )
    whitened_on: Literal["train", "all"] = Field(
        description="whose pictures the whitening is fitted on, without labels: those of the train "
        "split, or all; metrics are then of a catalogue whose pictures the model has seen, not of "
        "brands to come"
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
