"""A shop is imported: pictures under their SHA-256, tables as Parquet."""
