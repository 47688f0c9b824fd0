"""`python -m ml.train` runs the stage."""

from ml.core.command import run_stage
from ml.train.stage import main

run_stage(main)
