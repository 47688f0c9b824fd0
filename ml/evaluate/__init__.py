"""Stage evaluate: metrics of the model and of naive baselines on annotated pairs."""
