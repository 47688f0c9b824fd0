"""Training and embedding keep freed memory instead of asking the system for it again."""

import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
import torch
from ml.core.allocator import keep_memory

if sys.argv[1] == "kept":
    keep_memory()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(40):
    torch.ones(16 * 2**20)  # 64 MB, as the feature maps of a batch are
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator is Linux's")
def test_large_blocks_are_given_again_without_new_pages() -> None:
    faults = {
        how: int(
            subprocess.run(
                [sys.executable, "-c", SCRIPT, how], capture_output=True, text=True, check=True
            ).stdout
        )
        for how in ("default", "kept")
    }
    assert faults["kept"] * 3 < faults["default"], faults
