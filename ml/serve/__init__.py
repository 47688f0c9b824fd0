"""A trained model answers: groups or embeddings of a table of products."""
