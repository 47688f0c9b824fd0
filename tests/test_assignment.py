"""A new product is assigned to the group that the next grouping puts it into."""

import subprocess
import sys

import numpy as np
import pytest
from catalogue import Shop, grouper, groups
from fastapi.testclient import TestClient

from flows.catalogue.embedder import Embedder
from flows.serve_groups import assignment_app
from ml.catalogue.assignment import Assigner
from ml.grouping.grouping import CLUSTERINGS, ClusteringName
from ml.serve.limits import Limits


def assigner(shop: Shop, clustering: ClusteringName) -> tuple[Assigner, np.ndarray]:
    how = grouper(clustering)
    version = shop.group(how=how)
    vectors = np.stack([shop.vectors[name] for name in version.products["sha256"]])
    return Assigner(version, vectors.astype(np.float16), how), vectors


@pytest.mark.parametrize("clustering", CLUSTERINGS)
def test_a_product_is_assigned_where_the_next_grouping_puts_it(clustering: ClusteringName) -> None:
    """Merges of other groups may rarely decide otherwise, so most must agree."""
    agreed = []
    for seed in range(12):
        shop = Shop(seed, 40)
        known, _ = assigner(shop, clustering)
        new = shop.add(1, noise=0.3)[0]
        row = shop.rows[-1]
        vector = shop.vectors[row["sha256"]]
        found = known.assign(vector, (row["brand"], row["gender"], row["article_type"]))
        after = groups(shop.group(known.version, grouper(clustering)))
        mates = set(after[after == after[new]].index) - {new}
        before = groups(known.version)
        agreed.append(found.group == (before[sorted(mates)[0]] if mates else None))
    assert np.mean(agreed) >= 0.9


def test_a_copy_of_a_product_joins_its_group_and_the_product_is_nearest() -> None:
    shop = Shop(0)
    known, vectors = assigner(shop, "average")
    row = shop.rows[5]
    found = known.assign(vectors[5], (row["brand"], row["gender"], row["article_type"]))
    assert found.nearest[0].product_id == row["product_id"]
    assert found.group == found.nearest[0].group
    assert found.nearest[0].probability and found.nearest[0].probability > 0.9
    assert len(found.nearest) == 3


def test_a_product_of_an_unknown_block_is_alone() -> None:
    known, vectors = assigner(Shop(0), "average")
    assert known.assign(vectors[0], ("nobody", "Men", "Tops")) == (None, None, [])


def test_nothing_joins_a_locked_group() -> None:
    shop = Shop(0)
    known, vectors = assigner(shop, "average")
    row = shop.rows[5]
    block = (row["brand"], row["gender"], row["article_type"])
    free = known.assign(vectors[5], block)
    locked = Assigner(known.version, vectors, known.grouper, [row["product_id"]])
    found = locked.assign(vectors[5], block)
    assert found.group != free.group == found.nearest[0].group


class Model(Embedder):
    """Embeds every picture alike; its process has ended, or not."""

    def __init__(self, vector: np.ndarray, process: subprocess.Popen[str]) -> None:
        super().__init__(process)
        self.vector = vector

    def embed(self, image: str, article_type: str) -> np.ndarray:
        return self.vector


def test_over_http_a_block_may_be_spelt_as_an_import_takes_it_and_health_is_the_models() -> None:
    shop = Shop(0)
    known, vectors = assigner(shop, "average")
    known.version.facts.update(catalogue="shop", number=1, model="models:/m/1")
    row = shop.rows[5]
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True) as process:
        client = TestClient(assignment_app(known, Model(vectors[5], process), Limits()))
        asked = {name: row[name] for name in ("brand", "gender", "article_type")} | {"image": "x"}
        right = client.post("/assign", json=asked).json()
        assert right["nearest"][0]["product_id"] == row["product_id"]
        odd = {"brand": f" {row['brand']}\u200b\n", "gender": f"{row['gender']}\u00a0"}
        assert client.post("/assign", json=asked | odd).json() == right
        assert client.get("/health").status_code == 200
        process.kill()
        process.wait()
        answer = client.get("/health")
        assert answer.status_code == 503
        assert "has ended" in answer.json()["error"]
