"""`python -m ml.validate` runs the stage."""

from ml.core.command import run_stage
from ml.validate.stage import main

run_stage(main)
