"""First groups of a shop that has no model yet: an encoder that was never trained on fashion."""
