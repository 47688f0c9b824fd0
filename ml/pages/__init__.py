"""HTML pages and contact sheets for people."""
