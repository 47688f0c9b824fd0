"""Paths of the files of each stage, relative to the project's root, as in dvc.yaml."""

from pathlib import Path

SNAPSHOT = Path("data/snapshot")
PREVIOUS = Path("data/previous.json")
CONTRACT = Path("data/gx")
PARAMS = Path("params.yaml")
VALIDATED = Path("artifacts/validate")
REFUSED_ROWS = "refused_rows.json"  # below VALIDATED; no output of the stage
PREPARED = Path("artifacts/prepare")
TRAINED = Path("artifacts/train")
EMBEDDED = Path("artifacts/embed")
EVALUATED = Path("artifacts/evaluate")
