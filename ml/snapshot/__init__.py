"""Stage snapshot: it imports a shop, pictures under their SHA-256 and tables as Parquet."""
