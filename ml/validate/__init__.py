"""Stage validate: it checks the snapshot against the data contract."""
