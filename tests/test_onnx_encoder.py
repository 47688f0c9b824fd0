"""A model is served by ONNX Runtime, with the embeddings that torch computes.

The export gives the same file each time; torch serves where there is no export.
"""

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import tiny_encoder

import ml.serve.onnx_encoder
from ml.core.files import write_json
from ml.model.embedding import embed_pictures, set_whitening
from ml.model.encoder import Encoder, save_encoder
from ml.serve.onnx_encoder import ALIKE, NotExportable, OnnxEncoder, export_encoder
from ml.serve.predictor import Predictor

SIDE = 64
PICTURES = np.random.default_rng(0).integers(0, 256, (20, SIDE, SIDE, 3), dtype=np.uint8)


def whitened(**params: object) -> Encoder:
    # The network's few operations export quickly.
    encoder = tiny_encoder(**{"backbone": "test_resnet", "whitening": 5, **params})
    set_whitening(encoder, PICTURES)
    return encoder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A packaged model. Read only: copy it to change it."""
    folder = tmp_path_factory.mktemp("model")
    encoder = whitened()
    save_encoder(encoder, {"prepare": {"side": SIDE, "localizer": "none"}}, folder)
    write_json(
        folder / "grouping.json",
        {
            "threshold": 0.2,
            "method": "average",
            "block_prior": 20,
            "calibration": None,
            "publish": None,
        },
    )
    export_encoder(encoder, folder / "encoder.onnx", PICTURES)
    return folder


def test_embeddings_are_torchs_and_of_length_one(folder: Path) -> None:
    exported = OnnxEncoder(folder / "encoder.onnx")
    embeddings = exported.embed(PICTURES)
    assert (embeddings.shape, embeddings.dtype) == ((len(PICTURES), 5), np.float32)
    assert exported.size == 5
    np.testing.assert_allclose(embeddings, embed_pictures(whitened(), PICTURES), atol=ALIKE)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)
    assert exported.embed(PICTURES[:0]).shape == (0, exported.size)


def test_other_inputs_joins_and_mirroring_are_exported(tmp_path: Path) -> None:
    encoder = whitened(input="luminance", join="mean", mirror=True, whitening=0)
    assert export_encoder(encoder, tmp_path / "encoder.onnx", PICTURES[:3]) <= ALIKE


def test_a_pictures_embedding_does_not_depend_on_the_others_in_its_batch(folder: Path) -> None:
    exported = OnnxEncoder(folder / "encoder.onnx")
    alone = np.concatenate(
        [exported.embed(PICTURES[place : place + 1]) for place in range(len(PICTURES))]
    )
    assert np.array_equal(exported.embed(PICTURES), alone)


def test_equal_weights_are_exported_into_equal_bytes_that_name_no_source_file(
    folder: Path, tmp_path: Path
) -> None:
    export_encoder(whitened(), tmp_path / "encoder.onnx", PICTURES[:1])
    content = (tmp_path / "encoder.onnx").read_bytes()
    assert content == (folder / "encoder.onnx").read_bytes()
    assert b".py" not in content


def test_a_file_that_embeds_differently_is_not_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ml.serve.onnx_encoder, "ALIKE", -1.0)
    with pytest.raises(NotExportable, match="differ from torch's"):
        export_encoder(whitened(), tmp_path / "encoder.onnx", PICTURES[:3])
    assert list(tmp_path.iterdir()) == []


def test_a_backbone_that_onnx_cannot_express_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = whitened()
    features = encoder.backbone.forward_features

    def branching(pictures: torch.Tensor) -> torch.Tensor:
        return features(pictures if pictures.mean() > 0 else -pictures)

    monkeypatch.setattr(encoder.backbone, "forward_features", branching)
    with pytest.raises(NotExportable, match="torch cannot write test_resnet"):
        export_encoder(encoder, tmp_path / "encoder.onnx", PICTURES[:3])
    assert list(tmp_path.iterdir()) == []


def test_the_predictor_uses_the_export_where_there_is_one_and_torch_else(
    folder: Path, tmp_path: Path
) -> None:
    files = [png(picture) for picture in PICTURES[:5]]
    shutil.copytree(folder, exported := tmp_path / "exported")
    (exported / "encoder.safetensors").unlink()
    served = Predictor(exported).embed([*files, b"", None], [""] * 7)
    shutil.copytree(folder, plain := tmp_path / "plain")
    (plain / "encoder.onnx").unlink()
    expected = Predictor(plain).embed([*files, b"", None], [""] * 7)
    assert served.problems == expected.problems
    assert [bool(problem) for problem in served.problems] == [False] * 5 + [True] * 2
    np.testing.assert_allclose(served.embeddings, expected.embeddings, atol=ALIKE)


def png(picture: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(picture).save(content, format="PNG")
    return content.getvalue()
