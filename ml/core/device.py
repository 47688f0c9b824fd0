"""The device of the computation, and the settings that make it repeatable."""

import os

import torch

from ml.core.allocator import keep_memory
from ml.core.errors import UserError


def pick_device(wanted: str) -> str:
    """Returns the device to use, "cuda" or "cpu".

    Args:
        wanted: "cuda", "cpu" or "auto", which takes the GPU if there is one.

    Raises:
        UserError: "cuda" is wanted and there is no GPU.
    """
    if wanted == "cuda" and not torch.cuda.is_available():
        raise UserError("train.device is 'cuda', but torch finds no GPU here: use 'auto' or 'cpu'")
    return "cuda" if wanted in ("auto", "cuda") and torch.cuda.is_available() else "cpu"


def exact(threads: int) -> None:
    """Makes torch repeatable by deterministic kernels and a fixed thread count; keeps memory.

    Args:
        threads: number of CPU threads; CPU results depend on it.
    """
    # Deterministic cuBLAS asks for this workspace.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(threads)
    keep_memory()
