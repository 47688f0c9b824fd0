"""What a training method is: one class, in one file of this folder, registered by its name.

A new method is a file such as `ml/train/methods/momentum_free.py` with a class derived from
`TrainingMethod`, and a section `momentum_free` below `train` in params.yaml. The simplest one to
begin from is `ml/train/methods/simsiam.py`.
"""

from abc import ABC, abstractmethod
from enum import Enum
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ml.core.errors import UserError
from ml.core.params import Params
from ml.model.embedding import Pictures
from ml.model.encoder import Encoder
from ml.train.batches import AnnotatedBatches, Batches, VariantBatches
from ml.train.train_split import TrainSplit


class Supervision(Enum):
    """What a training method learns from."""

    PICTURES = "pictures"  # pictures alone: self-supervised
    PICTURES_AND_PAIRS = "pictures and annotated pairs"  # its params have an `annotated_share`
    PAIRS = "annotated pairs"  # products without annotated pairs are left out


class MethodParams(Params):
    """Base of the params under `train.NAME` in params.yaml, NAME being the method's."""


TRAINING_METHODS: dict[str, type["TrainingMethod"]] = {}  # filled as classes are defined


class TrainingMethod(nn.Module, ABC):
    """An encoder with the modules that train it: heads, a momentum encoder, a queue, a loss.

    Subclasses state `name`, `params_class` and `supervision`, build their modules in `__init__`,
    and compute the loss in `forward`. Names that repeat through all methods: `projection_head`,
    `prediction_head`, `momentum_encoder`, `momentum_head`, `criterion`.

    Attributes:
        name: the value of `train.method`, and the section of params.yaml below `train`.
        params_class: the model of that section.
        supervision: what the method learns from; it decides the batches.
        encoder: the encoder that gradients reach.
    """

    name: ClassVar[str]
    params_class: ClassVar[type[MethodParams]]
    supervision: ClassVar[Supervision] = Supervision.PICTURES

    def __init__(self, encoder: Encoder, params: Any) -> None:
        """Keeps encoder and params.

        Args:
            encoder: trained in place.
            params: an object of `params_class`.
        """
        super().__init__()
        self.params = params
        self.encoder = encoder

    def __init_subclass__(cls, **options: Any) -> None:
        """Registers the class under its name; a base class states no name and is not registered.

        Raises:
            TypeError: two classes have one name.
        """
        super().__init_subclass__(**options)
        if "name" not in vars(cls):
            return
        known = TRAINING_METHODS.get(cls.name)
        if known is not None and (known.__module__, known.__qualname__) != (
            cls.__module__,
            cls.__qualname__,
        ):
            raise TypeError(f"the training method '{cls.name}' is {known.__module__}'s already")
        TRAINING_METHODS[cls.name] = cls

    @property
    def kept_encoder(self) -> Encoder:
        """The encoder that training results in, unless `train.keep` asks for the query encoder."""
        return self.encoder

    @classmethod
    def batches(
        cls, split: TrainSplit, batch: int, params: Any, random: torch.Generator
    ) -> Batches:
        """Returns the batches of an epoch, of the kind that `supervision` requires.

        Args:
            split: the products that train.
            batch: products in a step.
            params: an object of `params_class`.
            random: CPU generator that shuffles and draws variants.

        Raises:
            UserError: the method learns from annotated pairs alone, and the train split has none.
        """
        arrays = split.pictures, split.masks
        if cls.supervision is Supervision.PICTURES:
            return Batches(*arrays, split.indices, batch, random, kinds=split.kinds)
        labels = split.labels
        if cls.supervision is Supervision.PICTURES_AND_PAIRS:
            share: float = params.annotated_share
            return VariantBatches(
                *arrays, split.indices, batch, random, labels, share, kinds=split.kinds
            )
        if not len(labels.paired):
            raise UserError(
                f"train.method is '{cls.name}', which learns from annotated variants alone, and "
                "the train split has none: add pairs.csv to the shop, or use a method that needs "
                "none, such as pbcnet"
            )
        return AnnotatedBatches(*arrays, labels.annotated, batch, random, labels)

    def begin(self, pictures: Pictures) -> None:
        """Fits what a method fits before its first step; most fit nothing.

        Args:
            pictures: uint8 (products, height, width, 3), of the train split.
        """

    @abstractmethod
    def forward(
        self, first: Tensor, second: Tensor, ids: Tensor, kinds: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Computes one step's loss.

        Args:
            first, second: float (batch, 3, height, width) in 0 … 1: two views of each product, or
                views of the product and of a known variant.
            ids: int64 (batch,), equal for products of one design as far as that is known.
            kinds: int64 (batch,), equal for products of one gender and article type.

        Returns:
            The loss and an accuracy in 0 … 1, float scalars.
        """

    def on_step_end(self) -> None:
        """Follows an optimizer step: momentum encoders move, queues take keys. Default: nothing."""
