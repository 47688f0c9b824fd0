"""Groups in the formats of shops, feeds and search engines, one writer a file."""
