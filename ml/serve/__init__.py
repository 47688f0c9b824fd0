"""Serves a trained model: it gives groups or embeddings of a table of products."""
