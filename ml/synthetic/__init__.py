"""A generated fashion shop, drawn with numpy, Pillow and scipy.

It is the shop of the demo and of the tests, and the data of a fresh clone.
"""

from ml.synthetic.shop import generate_shop

__all__ = ["generate_shop"]
