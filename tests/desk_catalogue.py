"""A grouped catalogue with pictures, for the tests of the desk; no model and no training."""

import hashlib

import numpy as np
import pandas as pd
from catalogue import PARAMS, Shop, grouper
from conftest import jpeg

from flows.catalogue.corrections import said_about
from flows.catalogue.looks import keep_looks, looks_of
from flows.catalogue.places import store_of
from flows.catalogue.shop import kept_picture
from flows.local.project import Project
from ml.catalogue.counts import counts_of
from ml.catalogue.memory import regroup
from ml.catalogue.representative import representatives
from ml.catalogue.versions import Version, newest, save

SOURCE = "/shops/shop"
HOSTILE = '<script>document.title="owned"</script> & "quoted"'
HOSTILE_ID = 'p0003"><img src=x onerror="document.title=1"> ../..'
LIAR = "p0005"  # says Blue, looks Red


def drawn(number: int, colour: tuple[int, int, int]) -> bytes:
    """A picture of its own for each product: a rectangle of one colour with a mark, on white."""
    picture = np.full((240, 180, 3), 255, np.uint8)
    picture[30:210, 30:150] = colour
    picture[60 + number : 64 + number, 60:120] = 255 - number
    return jpeg(picture)


def grouped_catalogue(project: Project, name: str = "shop") -> pd.DataFrame:
    """Keeps version 1 of a catalogue of 60 products in 4 blocks; returns its products.

    One title and one id are hostile, and one product says Blue and looks Red.
    """
    version = Shop(0).group()
    products = version.products.assign(
        title=[f"Shirt {number}" for number in range(len(version.products))], base_colour="Blue"
    ).astype({"product_id": object})
    vectors = np.stack([Shop(0).vectors[one] for one in products["sha256"]])
    products["representative"] = representatives(products, vectors)
    paths = []
    for number in products.index:
        one = products.at[number, "product_id"]
        content = drawn(number, (190, 25, 45) if one == LIAR else (30, 40, 160))
        digest = hashlib.sha256(content).hexdigest()
        products.at[number, "sha256"] = digest
        file = kept_picture(project, SOURCE, {}, digest)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        paths.append(str(file))
    products.loc[4, "title"] = HOSTILE
    products.loc[3, "product_id"] = HOSTILE_ID
    store = store_of(project)
    keep_looks(looks_of(store), products.assign(image=paths))
    facts = version.facts | {
        "catalogue": name,
        "source": SOURCE,
        "columns": {},
        "model": "models:/m/1",
        "predecessor": None,
        "created": "2026-11-02T09:30:00+00:00",
        "by": "Ada",
        "counts": counts_of(products),
    }
    save(store, Version(facts, products, version.means, version.changes, version.retired))
    return products


def group_again(project: Project, name: str = "shop") -> Version:
    """Keeps the next version of the catalogue, which holds what people said until now."""
    store = store_of(project)
    before = newest(store, name)
    assert before is not None
    table = before.products.drop(
        columns=["group", "opened", "score", "band", "representative"]
    ).astype(object)
    vectors = np.stack(list(Shop(0).vectors.values())).astype(np.float16)
    said = said_about(store, name)(table)[1]
    found = regroup(table, vectors, grouper(), PARAMS, before, said)
    chosen = representatives(found.products, vectors, before.products)
    products = found.products.assign(representative=chosen)
    number = before.number + 1
    facts = before.facts | {"number": number, "id": f"version {number}"}
    version = Version(facts, products, found.means, found.changes, found.retired)
    save(store, version)
    return version
