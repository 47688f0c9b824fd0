"""Checkpoints: an interrupted training continues where it stopped, and ends in the same bytes."""

import io
from pathlib import Path
from typing import Any

import torch

from ml.core.files import replacing


def save_checkpoint(path: Path, fingerprint: Any, content: dict[str, Any]) -> None:
    """Writes a checkpoint for the same training on this machine, whole or not at all.

    Args:
        path: the file.
        fingerprint: identifies the training; plain values only.
        content: what the training continues from: tensors and plain values only.
    """
    written = io.BytesIO()  # torch hides why it could not write a file, such as a full disk
    torch.save({"fingerprint": fingerprint, **content}, written)
    with replacing(path) as beside:
        beside.write_bytes(written.getbuffer())


def load_checkpoint(path: Path, fingerprint: Any) -> dict[str, Any] | None:
    """Returns the content of a checkpoint of the same training, which has an equal fingerprint.

    It returns None if there is no file, if the file is damaged, or if it is of another training.
    """
    if not path.is_file():
        return None
    try:
        content: dict[str, Any] = torch.load(path, weights_only=True)
    except Exception:  # damaged, for instance by a full disk: the training starts anew
        return None
    return content if content.pop("fingerprint", None) == fingerprint else None
