"""MLflow: runs, registered models, and the record of what happened to them."""
