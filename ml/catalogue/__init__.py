"""A catalogue's groups over time: versions with stable ids, and what is kept for each picture."""
