"""The articles that the generated shop sells, each with its cuts and cloths."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from ml.synthetic.backpacks import backpack
from ml.synthetic.caps import cap
from ml.synthetic.drawing import Drawing
from ml.synthetic.dresses import dress
from ml.synthetic.handbags import handbag
from ml.synthetic.heels import pump
from ml.synthetic.skirts import skirt
from ml.synthetic.sneakers import sneaker
from ml.synthetic.tops import top
from ml.synthetic.trousers import trousers

ADULTS = ("Men", "Women")
ALL = ("Men", "Women", "Boys", "Girls", "Unisex")
CLOTHS = {
    "plain": 3,
    "stripes": 3,
    "checks": 1,
    "dots": 1,
    "zigzag": 1,
    "diagonal": 1,
    "blocks": 2,
    "print": 6,
}


@dataclass(frozen=True)
class Article:
    """One article type.

    Attributes:
        name: the article type in the catalogue.
        genders: the genders that it is sold to.
        noun: the word for it in titles.
        draw: the function (cut, limb) → Drawing that draws it.
        cuts: the choices of each option; a choice that is listed twice is drawn twice as often.
        kinds: the kinds of pattern and their weights.
        fixed: the options that have the same value in every design.
    """

    name: str
    genders: tuple[str, ...]
    noun: str
    draw: Callable[[Mapping[str, str], float], Drawing]
    cuts: Mapping[str, tuple[str, ...]]
    kinds: Mapping[str, int]
    fixed: Mapping[str, str] = field(default_factory=dict)


def _top(cut: Mapping[str, str], limb: float, texture: str) -> Drawing:
    drawing = top(cut, limb)
    drawing.texture = texture
    return drawing


ARTICLES = (
    Article("Tshirts", ALL, "T-shirt", partial(_top, texture="jersey"), {
        "neck": ("crew", "crew", "v", "scoop"),
        "sleeve": ("short", "short", "short", "elbow", "long", "cap"),
        "fit": ("slim", "regular", "boxy"), "length": ("regular", "regular", "long"),
        "hem": ("straight", "straight", "curved"), "pocket": ("none", "none", "none", "chest"),
        "sleeves": ("same", "same", "contrast", "raglan"), "trim": ("same", "contrast"),
        "front": ("none", "none", "henley"),
    }, CLOTHS),
    Article("Shirts", ADULTS, "Shirt", partial(_top, texture="poplin"), {
        "collar": ("shirt", "shirt", "spread", "band"),
        "sleeve": ("long", "long", "short", "elbow"),
        "fit": ("slim", "regular", "boxy"), "hem": ("curved", "curved", "straight"),
        "pocket": ("none", "chest", "two", "flaps"),
        "front": ("buttons", "buttons", "hidden"), "trim": ("same", "same", "contrast"),
        "length": ("regular", "long"),
    }, {
        "plain": 3, "vertical": 4, "checks": 6, "stripes": 2, "dots": 2, "motif": 1, "floral": 1,
        "blocks": 1,
    }, {"neck": "collar", "cuffs": "shirt"}),
    Article("Polos", ("Men", "Women", "Boys"), "Polo Shirt", partial(_top, texture="jersey"), {
        "sleeve": ("short", "short", "long"), "fit": ("slim", "regular", "boxy"),
        "pocket": ("none", "none", "chest"),
        "cuffs": ("none", "rib", "contrast"), "trim": ("same", "contrast"),
        "sleeves": ("same", "same", "contrast"),
        "length": ("regular", "long"),
    }, {"plain": 3, "stripes": 5, "blocks": 3, "print": 2, "diagonal": 1, "checks": 1},
        {"collar": "polo", "front": "placket", "neck": "collar"}),
    Article("Sweaters", ALL, "Sweater", partial(_top, texture="knit"), {
        "neck": ("crew", "crew", "v", "boat"), "collar": ("none", "none", "none", "turtle"),
        "fit": ("slim", "regular", "boxy"),
        "front": ("none", "none", "cables", "zip", "halfzip"), "cuffs": ("rib", "rib", "contrast"),
        "trim": ("same", "contrast"),
        "sleeves": ("same", "same", "contrast"), "length": ("regular", "regular", "long"),
    }, {"plain": 3, "stripes": 5, "zigzag": 3, "blocks": 3, "dots": 1, "motif": 1},
        {"sleeve": "long"}),
    Article("Sweatshirts", ALL, "Hoodie", partial(_top, texture="jersey"), {
        "front": ("none", "none", "zip"), "pocket": ("kangaroo", "kangaroo", "none"),
        "cord": ("cord", "cord", "none"),
        "cuffs": ("rib", "rib", "contrast"), "sleeves": ("same", "same", "contrast", "raglan"),
        "fit": ("regular", "boxy"),
        "length": ("regular", "regular", "crop"),
    }, {"plain": 2, "print": 6, "blocks": 4, "stripes": 2},
        {"sleeve": "long", "collar": "hood", "neck": "crew"}),
    Article("Dresses", ("Women", "Girls"), "Dress", dress, {
        "neck": ("round", "v", "square", "deep"),
        "sleeve": ("none", "cap", "short", "puff", "long", "straps"),
        "shape": ("fitted", "a-line", "a-line", "flared", "shift"),
        "length": ("mini", "knee", "midi"),
        "waist": ("natural", "natural", "empire", "low"),
        "belt": ("none", "seam", "sash", "bow", "buckle"),
        "front": ("none", "none", "buttons", "pleats", "tiers", "wrap", "pockets"),
        "hem": ("plain", "contrast", "ruffle", "highlow"),
        "trim": ("same", "contrast"),
    }, {
        "plain": 3, "floral": 5, "dots": 3, "stripes": 2, "checks": 1, "blocks": 1, "zigzag": 1,
        "motif": 1,
    }),
    Article("Skirts", ("Women", "Girls"), "Skirt", skirt, {
        "shape": ("pencil", "a-line", "flared", "straight"), "length": ("mini", "knee", "midi"),
        "front": ("none", "none", "pleats", "buttons", "tiers", "pockets", "wrap", "zip"),
        "waist": ("plain", "wide", "contrast", "bow"),
        "hem": ("plain", "plain", "contrast", "ruffle", "scallop"),
    }, {
        "plain": 3, "floral": 4, "checks": 3, "dots": 2, "stripes": 2, "vertical": 1, "zigzag": 1,
        "blocks": 1,
    }),
    Article("Trousers", ADULTS, "Trousers", trousers, {
        "leg": ("skinny", "straight", "wide", "bootcut"), "length": ("full", "full", "cropped"),
        "waist": ("belt", "belt", "contrast", "elastic"),
        "pocket": ("slant", "jeans", "cargo", "patch"),
        "crease": ("none", "none", "pressed"), "cuffs": ("none", "none", "rib", "turned"),
        "side": ("none", "none", "stripe", "double"),
        "knee": ("none", "none", "panel"),
    }, {"plain": 8, "checks": 1, "vertical": 2, "zigzag": 1}),
    Article("Shorts", ("Men", "Women", "Boys", "Girls"), "Shorts", trousers, {
        "leg": ("straight", "wide"), "length": ("bermuda", "brief"),
        "waist": ("belt", "contrast", "elastic"),
        "pocket": ("slant", "jeans", "cargo", "patch"), "cuffs": ("none", "none", "turned", "rib"),
        "side": ("none", "stripe", "double"),
    }, {
        "plain": 4, "checks": 3, "vertical": 2, "stripes": 2, "floral": 2, "motif": 1, "dots": 1,
    }),
    Article("Handbags", ("Women",), "Handbag", handbag, {
        "shape": ("tote", "trapeze", "box", "hobo", "bucket"),
        "handle": ("short", "double", "long", "chain"),
        "closure": ("zip", "flap", "envelope", "strap"),
        "panel": ("none", "base", "top", "stripe", "quilt", "pocket", "seams"),
        "extra": ("none", "none", "tassel", "plate", "studs"),
    }, {"plain": 8, "zigzag": 1, "stripes": 1, "motif": 1, "blocks": 1}),
    Article("Backpacks", ("Unisex", "Boys", "Girls"), "Backpack", backpack, {
        "shape": ("round", "square"), "pocket": ("one", "two", "split", "slant"),
        "top": ("zip", "flap", "roll"),
        "sides": ("none", "mesh"), "patch": ("none", "square", "round", "diamond"),
        "front": ("same", "contrast"),
    }, {
        "plain": 5, "dots": 1, "stripes": 1, "zigzag": 1, "motif": 2, "checks": 1, "blocks": 1,
    }),
    Article("Casual Shoes", ALL, "Sneakers", sneaker, {
        "top": ("low", "low", "mid", "high"), "sole": ("flat", "chunky", "wedge"),
        "toe": ("none", "cap", "wing", "stitched", "vents"),
        "side": ("none", "two", "three", "four", "wave", "disc", "zigzag", "panel", "bar"),
        "laces": ("bright", "bright", "tonal", "strap", "slip"),
        "heel": ("none", "tab", "counter"), "foxing": ("none", "line", "dark", "teeth"),
    }, {"plain": 10, "checks": 1, "dots": 1, "stripes": 1}),
    Article("Heels", ("Women",), "Heels", pump, {
        "heel": ("stiletto", "block", "kitten", "wedge"), "height": ("low", "mid", "high"),
        "toe": ("round", "pointed", "peep", "capped"),
        "strap": ("none", "none", "ankle", "t", "mary"),
        "trim": ("none", "none", "bow", "buckle", "piping", "flower"),
        "platform": ("none", "none", "platform"), "heel_colour": ("same", "wood"),
    }, {"plain": 10, "dots": 1, "floral": 1}),
    Article("Caps", ("Unisex", "Men", "Boys"), "Cap", cap, {
        "crown": ("low", "high"), "brim": ("curved", "flat"),
        "visor": ("same", "contrast", "edged"),
        "panel": ("none", "front", "back"),
        "button": ("button", "none"), "eyelets": ("none", "eyelets"), "band": ("none", "contrast"),
        "emblem": ("none", "shield", "patch", "star", "round"),
    }, {"plain": 8, "checks": 1, "stripes": 1, "dots": 1, "vertical": 1}),
)  # fmt: skip
