"""Layouts of known public data, from which `variants import` writes a shop.

Each layout is one module of this room, named like it, with a `Layout` called LAYOUT (see `base`).
"""

LAYOUTS = {  # name → what it is, in one line
    "kaggle-fashion": "Kaggle Fashion Product Images: styles.csv, images/ID.jpg, styles/ID.json",
    "hm": "H&M (Kaggle): articles.csv, images/0XX/0XXXXXXXXX.jpg",
    "deepfashion-inshop": "DeepFashion In-shop: Img/img/GENDER/TYPE/id_XXXXXXXX/NN_V_view.jpg",
    "abo": "Amazon Berkeley Objects: listings/metadata/, images/metadata/, images/small/",
    "magento": "Magento 2: a CSV export of products, pub/media/catalog/product/",
    "shopify": "Shopify: a CSV export of products, which names pictures by URL",
    "google-merchant": "Google Merchant feed: TSV, CSV or XML, which names pictures by URL",
}
