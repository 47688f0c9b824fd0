"""The recipe of a model: one hash of everything that determines its bytes."""

import hashlib
import json
from pathlib import Path
from typing import Any

from flows.local.pipeline import load_stages, used_params
from flows.local.snapshots import snapshot_id
from ml.core.files import read_json
from ml.core.paths import PREVIOUS, SNAPSHOT

# What a registered model holds besides the pipeline's results.
SERVING = ("mlflow/serving.py", "ml/serve", "flows/registry/package.py")


def recipe(root: Path) -> str:
    """Returns the SHA-256 of the code, params and snapshot that a checkout's stages name.

    Two checkouts with the same recipe make the same model, so the second one need not be trained.
    The hash leaves out which snapshot was the previous one, since that affects only whether the
    contract passes, and what is split, which the hash holds.

    Args:
        root: top folder of the checkout.

    Raises:
        UserError: the checkout has no snapshot, or its dvc.yaml is not usable.
    """
    stages = load_stages(root)
    made = {out for stage in stages for out in stage.outs}
    left_out = {str(SNAPSHOT), str(PREVIOUS)} | made
    files = {dep for stage in stages for dep in stage.deps if dep not in left_out} | set(SERVING)
    content: dict[str, Any] = {
        "snapshot": snapshot_id(root),
        "commands": {stage.name: stage.cmd for stage in stages},
        "params": used_params(root, stages),
        "split_by": read_json(root / PREVIOUS).get("split_by"),
        "files": {file: digest(root / file) for file in files},
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def digest(path: Path) -> str:
    """Returns the SHA-256 of a file, or of the names and files in a folder without __pycache__."""
    if not path.is_dir():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    files = [
        file
        for file in sorted(path.rglob("*"))
        if file.is_file() and "__pycache__" not in file.parts
    ]
    entries = [f"{file.relative_to(path)} {digest(file)}" for file in files]
    return hashlib.sha256("\n".join(entries).encode()).hexdigest()
