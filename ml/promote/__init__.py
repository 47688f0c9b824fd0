"""The gate: policy, evidence and decision on whether a model may replace the champion."""
