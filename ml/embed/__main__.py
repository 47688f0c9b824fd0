"""`python -m ml.embed` runs the stage."""

from ml.core.command import run_stage
from ml.model.embedding import main

run_stage(main)
