"""Checkpoints: an interrupted training goes on where it stopped, and ends in the same bytes."""

import io
from pathlib import Path
from typing import Any

import torch

from ml.core.files import replacing


def save_checkpoint(path: Path, fingerprint: Any, content: dict[str, Any]) -> None:
    """Writes a checkpoint, whole or not at all. It is for this machine only."""
    written = io.BytesIO()  # torch hides why it could not write a file, such as a full disk
    torch.save({"fingerprint": fingerprint, **content}, written)
    with replacing(path) as beside:
        beside.write_bytes(written.getbuffer())


def load_checkpoint(path: Path, fingerprint: Any) -> dict[str, Any] | None:
    """The checkpoint's content if it is of the same training (equal fingerprint), else None."""
    if not path.is_file():
        return None
    try:
        content: dict[str, Any] = torch.load(path, weights_only=True)
    except Exception:  # damaged by a full disk, say: the training starts anew
        return None
    return content if content.pop("fingerprint", None) == fingerprint else None
