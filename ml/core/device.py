"""Where and how exactly the computation runs."""

import os

import torch

from ml.core.allocator import keep_memory
from ml.core.errors import UserError


def pick_device(wanted: str) -> str:
    """The device to use, "cuda" or "cpu": "auto" takes the GPU where there is one.

    Raises:
        UserError: "cuda" is wanted and there is none.
    """
    if wanted == "cuda" and not torch.cuda.is_available():
        raise UserError("train.device is 'cuda', but torch sees no GPU here: use 'auto' or 'cpu'")
    return "cuda" if wanted in ("auto", "cuda") and torch.cuda.is_available() else "cpu"


def exact(threads: int) -> None:
    """Makes torch repeatable: deterministic kernels and a fixed thread count, on which CPU results depend; and keeps memory."""
    os.environ.setdefault(
        "CUBLAS_WORKSPACE_CONFIG", ":4096:8"
    )  # what deterministic cuBLAS asks for
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(threads)
    keep_memory()
