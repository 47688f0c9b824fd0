"""The encoder (a backbone and its slices) and the embeddings of pictures."""
