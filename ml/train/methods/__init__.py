"""Training methods, one file each. A method is a module with an `encoder`, made from an `Encoder` and its own params.

`momentum_encoder`, where there is one, follows it. `forward(first_view, second_view, ids, kinds)` gives the loss and an accuracy;
`after_step()` is called after each optimizer step.
A method that learns from annotated pairs says so in `supervision`, and gets other batches (`ml.train.stage.make_batches`).
"""

from ml.train.methods.byol import BYOL
from ml.train.methods.moco_v2 import MoCoV2
from ml.train.methods.pbcnet import PBCNet
from ml.train.methods.pbcnet_semi import PBCNetSemi
from ml.train.methods.simsiam import SimSiam
from ml.train.methods.triplet import Triplet

METHODS = {
    "pbcnet": PBCNet,
    "pbcnet_semi": PBCNetSemi,
    "moco_v2": MoCoV2,
    "byol": BYOL,
    "simsiam": SimSiam,
    "triplet": Triplet,
}
