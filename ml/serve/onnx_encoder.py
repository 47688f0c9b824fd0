"""The encoder as an ONNX file, with which models are served.

ONNX Runtime is faster than torch on a CPU (docs/speed.md). It also embeds a picture into the same
bytes whatever else is in its batch, which torch does not.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from torch import nn

from ml.core.files import replacing
from ml.model.embedding import embed_pictures
from ml.model.encoder import Encoder

ALIKE = 1e-4  # a number of an embedding (length 1) may differ from torch's by this at most
BATCH = 8  # pictures: their feature maps fit the processor's cache; larger ones are no faster
PICTURES, EMBEDDINGS = "pictures", "embeddings"  # the graph's input and output


class NotExportable(RuntimeError):
    """The encoder cannot be written as ONNX, or it embeds differently; the message says which."""


class OnnxEncoder:
    """An exported encoder that embeds on the CPU, with torch's number of threads.

    Attributes:
        size: the length of an embedding.
    """

    def __init__(self, file: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        self.session = onnxruntime.InferenceSession(
            str(file), options, providers=["CPUExecutionProvider"]
        )
        self.size: int = self.session.get_outputs()[0].shape[1]

    def embed(self, pictures: np.ndarray) -> np.ndarray:
        """Embeds cropped pictures in order, as `ml.model.embedding.embed_pictures` does.

        Args:
            pictures: uint8 (products, side, side, 3), with the side of the exported encoder.

        Returns:
            float32 (products, size), each embedding of length 1.
        """
        embeddings = np.empty((len(pictures), self.size), np.float32)
        for start in range(0, len(pictures), BATCH):
            batch = np.ascontiguousarray(pictures[start : start + BATCH])
            embeddings[start : start + BATCH] = self.session.run([EMBEDDINGS], {PICTURES: batch})[0]
        return embeddings


def export_encoder(encoder: Encoder, file: Path, pictures: np.ndarray) -> float:
    """Writes an encoder as an ONNX file, and compares the embeddings of both on some pictures.

    Equal weights give equal bytes.

    Args:
        encoder: on the CPU; it is put in evaluation mode.
        pictures: uint8 (products, side, side, 3), at least one; the file is for pictures of this
            side only.

    Returns:
        The largest difference between two numbers of an embedding, at most `ALIKE`.

    Raises:
        NotExportable: ONNX lacks an operation of the backbone, or an embedding differs by more than
            `ALIKE`. No file is left then.
    """
    try:
        program: Any = torch.onnx.export(
            _FromBytes(encoder).eval(),
            (torch.zeros(2, *pictures.shape[1:], dtype=torch.uint8),),
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("products", min=1)},),
            input_names=[PICTURES],
            output_names=[EMBEDDINGS],
            verbose=False,
        )
    except torch.onnx.OnnxExporterError as error:
        raise NotExportable(
            f"torch cannot write {encoder.params.backbone} as ONNX: {error}"
        ) from error
    with replacing(file) as beside:
        beside.write_bytes(_without_traces(program.model_proto))
        expected, found = embed_pictures(encoder, pictures), OnnxEncoder(beside).embed(pictures)
        difference = float(np.abs(found - expected).max())
        if not difference <= ALIKE:
            raise NotExportable(
                f"ONNX Runtime's embeddings differ from torch's by {difference:.2g}, over {ALIKE:g}"
            )
    return difference


class _FromBytes(nn.Module):
    """An encoder that takes pictures in the form of images.npy: uint8 (products, side, side, 3)."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return self.encoder(pictures.permute(0, 3, 1, 2).float() / 255)


def _without_traces(model: Any) -> bytes:
    """Returns an onnx.ModelProto's bytes without metadata, which names files of this checkout."""
    graph = model.graph
    values = (*graph.input, *graph.output, *graph.value_info, *graph.initializer)
    for part in (model, graph, *graph.node, *values):
        del part.metadata_props[:]
    return model.SerializeToString(deterministic=True)
