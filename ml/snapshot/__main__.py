"""`python -m ml.snapshot` runs the stage."""

from ml.core.command import run_stage
from ml.snapshot.stage import main

run_stage(main)
