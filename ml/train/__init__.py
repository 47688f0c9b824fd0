"""Stage train: an encoder learns; one file for each training method."""
