"""The recipe of a model: everything that decides its bytes, in one hash."""

import hashlib
import json
from pathlib import Path
from typing import Any

from flows.local.pipeline import load_stages, used_params
from flows.local.snapshots import snapshot_id
from ml.core.paths import PREVIOUS, SNAPSHOT

# What a registered model holds besides the pipeline's results.
SERVING = ("mlflow/serving.py", "ml/serve", "flows/registry/package.py")


def recipe(root: Path) -> str:
    """Hash of a checkout's code, parameters and snapshot, as the stages of dvc.yaml name them.

    Two checkouts with one recipe make the same model, so the second need not be trained. Which
    snapshot came before decides only whether the contract passes, not what the model is, and is
    left out.
    """
    stages = load_stages(root)
    made = {out for stage in stages for out in stage.outs}
    left_out = {str(SNAPSHOT), str(PREVIOUS)} | made
    files = {dep for stage in stages for dep in stage.deps if dep not in left_out} | set(SERVING)
    content: dict[str, Any] = {
        "snapshot": snapshot_id(root),
        "commands": {stage.name: stage.cmd for stage in stages},
        "params": used_params(root, stages),
        "files": {file: digest(root / file) for file in files},
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def digest(path: Path) -> str:
    """SHA-256 of a file, or of a folder's names and files; what running Python leaves in a folder is left out."""
    if not path.is_dir():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    files = [
        file
        for file in sorted(path.rglob("*"))
        if file.is_file() and "__pycache__" not in file.parts
    ]
    entries = [f"{file.relative_to(path)} {digest(file)}" for file in files]
    return hashlib.sha256("\n".join(entries).encode()).hexdigest()
