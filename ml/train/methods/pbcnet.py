"""PBCNet contrasts the whole garment and each of its slices against a queue of momentum keys.

Source: Dutta et al., arXiv 2104.08581, section 3 (and 2112.02910). The momentum encoder and the
queue are MoCo's (He et al., arXiv 1911.05722, section 3.2 and algorithm 1).
"""

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from ml.model.embedding import Pictures, map_pictures
from ml.model.encoder import Encoder
from ml.model.whitening import fit_whitening
from ml.train.methods.base import MethodParams
from ml.train.methods.momentum import MomentumMethod
from ml.train.methods.queue import KeyQueue


class PBCNetParams(MethodParams):
    """The params under `train.pbcnet` in params.yaml."""

    head: Literal["whitening", "linear"] = Field(
        description="what projects features: their PCA whitening before the first step, which "
        "training leaves as it is, or a linear layer that is learnt from random weights"
    )
    projection: int = Field(gt=0, description="length of the projected vectors that are contrasted")
    queue: int = Field(gt=0, description="keys remembered as negatives")
    temperature: float = Field(gt=0)
    momentum: float = Field(
        ge=0, le=1, description="share of the old key encoder kept at each step"
    )
    rival_weight: float = Field(
        gt=0, description="weight of a negative of the same gender and article type; others have 1"
    )


class PBCNet(MomentumMethod):
    """Query encoder, momentum encoder, and one queue of keys for each part of the garment."""

    name = "pbcnet"
    params_class: ClassVar[type[MethodParams]] = PBCNetParams

    def __init__(self, encoder: Encoder, params: PBCNetParams) -> None:
        # One linear projection for all parts: on dev it is better than a hidden layer, see
        # docs/results.md.
        learnt = params.head == "linear"
        width = params.projection if learnt else min(params.projection, encoder.part_size)
        head = nn.Linear(encoder.part_size, width).requires_grad_(learnt)
        super().__init__(encoder, params, head)
        self.queue = KeyQueue(params.queue, encoder.part_count, width)

    def begin(self, pictures: Pictures) -> None:
        """Makes the projection the whitening of the initial features of whole pictures.

        Embeddings are compared after whitening, so they are contrasted after it too.
        """
        if self.params.head == "whitening":
            features = map_pictures(
                self.encoder, self.encoder.whole, self.encoder.part_size, pictures
            )
            width = self.queue.keys.shape[2]
            center, projection = map(torch.from_numpy, fit_whitening(features, width))
            kept = projection[:, :width]
            state = {"weight": kept.T, "bias": -center @ kept}
            self.projection_head.load_state_dict(state)
            self.momentum_head.load_state_dict(state)

    def forward(
        self, first: Tensor, second: Tensor, ids: Tensor, kinds: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Computes InfoNCE of each part; `on_step_end` then lets the keys replace the oldest ones.

        Args:
            first, second: float (batch, 3, height, width) in 0 … 1: the views of queries and keys.
            ids: int64 (batch,), the product each picture shows, or its design where that is known.
            kinds: int64 (batch,), equal for rivals; default: there are none.

        Returns:
            The loss and the accuracy of `KeyQueue.info_nce`.
        """
        with torch.no_grad():
            keys = functional.normalize(
                self.momentum_head(self.momentum_encoder.parts(second)).float(), dim=2
            )
        queries = functional.normalize(
            self.projection_head(self.encoder.parts(first)).float(), dim=2
        )
        self.pending = keys, ids, kinds  # the queue may not change before backward has read it
        return self.queue.info_nce(
            queries,
            keys,
            ids,
            self.params.temperature,
            kinds=kinds,
            rival_weight=self.params.rival_weight,
        )

    def on_step_end(self) -> None:
        """Moves the key encoder towards the query encoder, and the step's keys into the queue."""
        super().on_step_end()
        self.queue.push(*self.pending)
