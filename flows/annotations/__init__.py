"""The database of what people said of pairs: batches, assignments and decisions."""
