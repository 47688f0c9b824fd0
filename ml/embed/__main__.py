"""`python -m ml.embed` runs the stage."""

from ml.core.command import run_stage
from ml.embed.stage import main

run_stage(main)
