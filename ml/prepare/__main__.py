"""`python -m ml.prepare` runs the stage."""

from ml.core.command import run_stage
from ml.prepare.stage import main

run_stage(main)
