"""PBCNet with annotated pairs: if a product has known variants, its key is a picture of one.

So the network learns from real colourways if they are known, and from made-up ones if not. Keys of
known variants are no negatives. Source of the supervised contrastive form of InfoNCE: Khosla et
al., arXiv 2004.11362, here with one positive drawn at a time.
"""

from typing import ClassVar

from pydantic import Field

from ml.train.methods.base import MethodParams, Supervision
from ml.train.methods.pbcnet import PBCNet, PBCNetParams


class PBCNetSemiParams(PBCNetParams):
    """The params under `train.pbcnet_semi` in params.yaml."""

    annotated_share: float = Field(
        ge=0, le=1, description="share of each batch drawn from products with known variants"
    )


class PBCNetSemi(PBCNet):
    """PBCNet, whose batches give designs as ids and known variants as second pictures."""

    name = "pbcnet_semi"
    params_class: ClassVar[type[MethodParams]] = PBCNetSemiParams
    supervision = Supervision.PICTURES_AND_PAIRS
