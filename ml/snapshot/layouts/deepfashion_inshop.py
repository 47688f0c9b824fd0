"""DeepFashion *In-shop Clothes Retrieval* (8,000 items, 53,000 pictures).

https://mmlab.ie.cuhk.edu.hk/projects/DeepFashion/InShopRetrieval.html

It expects Img/img/GENDER/TYPE/id_XXXXXXXX/NN_V_view.jpg; the files of Anno/ are not read. The item
id is a design family and NN its colourway, so id_XXXXXXXX-NN is the product_id. GENDER and TYPE
become gender and article_type. The views of a colourway are its pictures, in the order of V. Brand,
title and base_colour are not known.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from ml.core.errors import UserError
from ml.snapshot.layouts.base import Layout, Log, Picture, Product
from ml.snapshot.layouts.genders import gender_in

PICTURES = "Img/img"
FILE = re.compile(r"(?P<colourway>\d+)_(?P<number>\d+)_(?P<view>[a-z]+)\.(?:jpg|jpeg|png)", re.I)
ROLES = {"front": "main", "side": "side", "back": "back", "full": "worn", "additional": "detail"}


def read(source: Path, log: Log) -> Iterator[Product]:
    """Reads the products; see `Layout`."""
    root = source / PICTURES
    if not root.is_dir():
        raise UserError(
            f"'{source}' has no folder {PICTURES}: unpack img.zip so that there is "
            f"{PICTURES}/WOMEN/Dresses/id_00000002/02_1_front.jpg"
        )
    found: dict[tuple[str, str, str, str], list[tuple[int, str, str]]] = defaultdict(list)
    ignored = 0
    for path in sorted(root.glob("*/*/*/*")):
        name = FILE.fullmatch(path.name)
        gender, kind, item, _ = path.relative_to(root).parts
        # Names that are no text cannot stand in a table.
        if name is None or not item.startswith("id_") or not f"{gender}{kind}{item}".isprintable():
            ignored += 1
            continue
        view = name["view"].lower()
        picture = int(name["number"]), view, path.relative_to(root).as_posix()
        found[gender, kind, item, name["colourway"]].append(picture)
    if not found:
        raise UserError(
            f"'{root}' holds no pictures WOMEN/Dresses/id_00000002/02_1_front.jpg or the like"
        )
    if ignored:
        log(f"left out: {ignored} files that are not named like 02_1_front.jpg in a folder id_…")
    for (gender, kind, item, colourway), pictures in found.items():
        yield Product(
            f"{item}-{colourway}",
            tuple(Picture(image, ROLES.get(view, "")) for _, view, image in sorted(pictures)),
            gender=gender_in(gender) or gender,
            article_type=kind,
            design_family=item,
        )


LAYOUT = Layout(read, PICTURES)
