"""Training methods, one file each. A method is a module with an `encoder`, made from an `Encoder` and its own params.

`forward(query_view, key_view, ids)` gives the loss and an accuracy; `after_step()` is called after each optimizer step.
"""

from ml.methods.pbcnet import PBCNet

METHODS = {"pbcnet": PBCNet}
