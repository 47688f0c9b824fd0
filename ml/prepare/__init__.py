"""Stage prepare: it finds, crops and resizes every product once."""
