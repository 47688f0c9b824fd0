"""Maps of the cells that make two pictures similar, for each part of the encoder.

A part is the mean over cells of the feature map. Its similarity to another picture's part is
therefore a sum over cells, and each cell's share can be drawn as a map (Stylianou et al.,
"Visualizing deep similarity networks", arXiv 1901.00536, section 3).
"""

import torch
from torch.nn import functional

from ml.model.encoder import Encoder, cut


@torch.inference_mode()
def relevance(encoder: Encoder, pictures: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Computes each cell's share of the similarity of each part to the same part of `others`.

    Args:
        encoder: one with `slices_from: feature_map`; it is put in evaluation mode.
        pictures, others: float (batch, 3, height, width), RGB in 0 … 1.

    Returns:
        float (batch, 1 + slices, rows, columns) of the feature map, 0 outside the slice; the sum
        over cells is the cosine of the two parts.

    Raises:
        ValueError: the encoder cuts slices from the picture, so that there is no common map.
    """
    if encoder.params.slices_from != "feature_map":
        raise ValueError("slices are cut from the picture: there is no common feature map")
    encoder.eval()
    own, towards = encoder.feature_map(pictures), functional.normalize(encoder.parts(others), dim=2)
    lengths = encoder.parts(pictures).norm(dim=2)
    maps = torch.zeros(len(own), encoder.part_count, *own.shape[2:])
    for part, region in enumerate(encoder.regions):
        inside, drawn = cut(own, region), cut(maps, region)  # views
        share = torch.einsum("bchw,bc->bhw", inside, towards[:, part])
        drawn[:, part] = share / (inside[0, 0].numel() * lengths[:, part].view(-1, 1, 1))
    return maps
