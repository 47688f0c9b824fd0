"""The columns of the public data format."""

CATALOG_COLUMNS = ("product_id", "image", "brand", "gender", "article_type")
PAIR_COLUMNS = ("left", "right", "color_variants")
PICTURE_COLUMNS = ("product_id", "image")
COMPLETE_BLOCK_COLUMNS = ("product_id", "design")
UNSURE_PAIR_COLUMNS = ("left", "right")
BLOCK = ["brand", "gender", "article_type"]  # colour variants are searched within one block
UNKNOWN = "unknown"  # stands for a missing brand, gender or article type
KIND = BLOCK[1:]  # what a product is: gender and article type
