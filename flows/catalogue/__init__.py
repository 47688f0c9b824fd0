"""A catalogue in the store: embeddings by registered models, and versions of groupings."""
