"""Asks web servers for what a shop names by URL: politely, and none of a private network."""
