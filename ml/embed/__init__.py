"""Stage embed: it computes the embedding of every product."""
