"""Stage evaluate: the model is measured against annotated pairs, beside naive baselines."""
