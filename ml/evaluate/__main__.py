"""`python -m ml.evaluate` runs the stage."""

from ml.core.command import run_stage
from ml.evaluate.stage import main

run_stage(main)
