"""A generated fashion shop: the embedded default, the demo and the test data; drawn with numpy, Pillow and scipy."""

from ml.synthetic.shop import generate_shop

__all__ = ["generate_shop"]
