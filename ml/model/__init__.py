"""The encoder: a backbone, its slices, and the embeddings of pictures."""
