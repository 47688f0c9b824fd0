"""Stage embed: every product gets its embedding."""
