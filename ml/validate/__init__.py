"""Stage validate: the snapshot is held against the data contract."""
