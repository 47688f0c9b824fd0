"""The colour of a product, measured in its picture, and its name in words.

Colours are compared in CIELAB (white point D65) by CIEDE2000 (Sharma, Wu and Dalal 2005).
"""

import numpy as np
from PIL import Image

CLUSTERS = 6  # of the median cut
ALIKE = 14.0  # ΔE00 up to which clusters are shades of one colour
SKIN = 0.7  # share of skin-coloured pixels from which they are the product: a tan shoe
FEWEST = 30  # pixels that a product has at least
M = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.072175],
        [0.0193339, 0.119192, 0.9503041],
    ]
)
WHITE = np.array([0.95047, 1.0, 1.08883])  # D65


def lab(rgb: np.ndarray) -> np.ndarray:
    """Converts sRGB, uint8 (..., 3), to CIELAB, float64 (..., 3)."""
    value = np.asarray(rgb, float) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    x, y, z = np.moveaxis(linear @ M.T / WHITE, -1, 0)
    x, y, z = (
        np.where(one > 216 / 24389, np.cbrt(one), (24389 / 27 * one + 16) / 116)
        for one in (x, y, z)
    )
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def delta_e(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Computes CIEDE2000 between CIELAB colours, float (..., 3) each, which broadcast: (...)."""
    (l1, a1, b1), (l2, a2, b2) = np.moveaxis(one, -1, 0), np.moveaxis(other, -1, 0)
    c7 = ((np.hypot(a1, b1) + np.hypot(a2, b2)) / 2) ** 7
    g = 1.5 - 0.5 * np.sqrt(c7 / (c7 + 25.0**7))
    a1, a2 = a1 * g, a2 * g
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = np.degrees(np.arctan2(b1, a1)) % 360, np.degrees(np.arctan2(b2, a2)) % 360
    gray = c1 * c2 == 0
    turn = np.where(gray, 0, (h2 - h1 + 180) % 360 - 180)
    turn = np.where(~gray & (h2 - h1 == 180), 180, turn)
    dh = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2))
    lm, cm = (l1 + l2) / 2, (c1 + c2) / 2
    far = np.abs(h1 - h2) > 180
    hm = np.where(
        gray, h1 + h2, (h1 + h2 + np.where(far, np.where(h1 + h2 < 360, 360, -360), 0)) / 2
    )
    t = (
        1
        - 0.17 * np.cos(np.radians(hm - 30))
        + 0.24 * np.cos(np.radians(2 * hm))
        + 0.32 * np.cos(np.radians(3 * hm + 6))
        - 0.2 * np.cos(np.radians(4 * hm - 63))
    )
    sl = 1 + 0.015 * (lm - 50) ** 2 / np.sqrt(20 + (lm - 50) ** 2)
    sc, sh = 1 + 0.045 * cm, 1 + 0.015 * cm * t
    cm7 = cm**7
    rt = (
        -2
        * np.sqrt(cm7 / (cm7 + 25.0**7))
        * np.sin(np.radians(60 * np.exp(-(((hm - 275) / 25) ** 2))))
    )
    dl, dc = (l2 - l1) / sl, (c2 - c1) / sc
    return np.asarray(np.sqrt(dl**2 + dc**2 + (dh / sh) ** 2 + rt * dc * dh / sh))


def product_colour(picture: np.ndarray, mask: np.ndarray) -> np.ndarray | None:
    """Measures the colour that most of a product has.

    Skin is left out, unless nearly all of the product has its colour.

    Args:
        picture: uint8 (height, width, 3), sRGB.
        mask: bool (height, width), true on the product.

    Returns:
        uint8 (3,), sRGB; None if hardly anything is seen of the product.
    """
    pixels = picture[mask]
    if len(pixels) < FEWEST:
        return None
    skin = _skin(pixels)
    if (~skin).sum() >= FEWEST and skin.mean() < SKIN:
        pixels = pixels[~skin]
    cut = Image.fromarray(pixels[None]).quantize(CLUSTERS, Image.Quantize.MEDIANCUT, kmeans=2)
    member = np.asarray(cut)[0]
    count = np.bincount(member)
    means = (
        np.stack([np.bincount(member, pixels[:, channel]) for channel in range(3)], axis=1)
        / np.maximum(count, 1)[:, None]
    )
    alike = delta_e(lab(means)[:, None], lab(means)[None]) <= ALIKE
    best = int(np.argmax((alike * count).sum(axis=1) * (count > 0)))
    return np.asarray((count * alike[best] @ means / count[alike[best]].sum()).round(), np.uint8)


def _skin(pixels: np.ndarray) -> np.ndarray:
    """Finds pixels with the colour of skin, by the rule of Chai and Ngan (1999): bool (pixels,)."""
    r, g, b = pixels.astype(np.int16).T
    cb = 128 - 0.168736 * r - 0.331264 * g + 0.5 * b
    cr = 128 + 0.5 * r - 0.418688 * g - 0.081312 * b
    return np.asarray((cb >= 77) & (cb <= 127) & (cr >= 136) & (cr <= 173) & (r > 80))
