"""Stage prepare: every product is found, cropped and resized once."""
