"""Products, pictures, blocks and annotated pairs: what the other rooms compute on."""
