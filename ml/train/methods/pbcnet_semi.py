"""PBCNet plus the annotated pairs: where a product has known variants, its key is a picture of one of them.

So the network learns real colourways where they are known and made-up ones elsewhere; keys of known
variants are no negatives. The supervised contrastive form of InfoNCE is Khosla et al., arXiv
2004.11362, with one positive drawn at a time.
"""

from pydantic import Field

from ml.train.methods.pbcnet import PBCNet, PBCNetParams


class PBCNetSemiParams(PBCNetParams):
    """The params under `train.pbcnet_semi` in params.yaml."""

    annotated_share: float = Field(
        ge=0, le=1, description="share of each batch drawn from products with known variants"
    )


class PBCNetSemi(PBCNet):
    """PBCNet, fed with designs as ids and with variants as keys (see `ml.train.batches`)."""

    supervision = "annotated products as well"
