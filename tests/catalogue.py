"""A made-up catalogue for the tests of groups with a memory."""

from typing import Any

import numpy as np
import pandas as pd

from ml.catalogue.block_grouping import Grouper
from ml.catalogue.memory import MemoryParams, Regrouped, regroup
from ml.catalogue.store import Store
from ml.catalogue.versions import Version, save
from ml.grouping.calibration import Calibration
from ml.grouping.grouping import ClusteringName

PARAMS = MemoryParams(margin=0.05, refresh=1.5)
CALIBRATION = Calibration(8.0, -4.0, 0.3, 0.8)


def grouper(clustering: ClusteringName = "complete", files: str = "one") -> Grouper:
    return Grouper(files, clustering, 0.5, 20.0, CALIBRATION, 0.7)


class Shop:
    """Products of some designs in some blocks, with embeddings that stand for their pictures."""

    def __init__(self, seed: int, products: int = 60) -> None:
        self.draw = np.random.default_rng(seed)
        self.designs = self.draw.normal(size=(products // 3, 16))
        self.rows: list[dict[str, Any]] = []
        self.vectors: dict[str, np.ndarray] = {}
        self.add(products)

    def add(self, count: int, noise: float = 0.5) -> list[str]:
        made = []
        for _ in range(count):
            name, design = f"p{len(self.vectors):04d}", int(self.draw.integers(len(self.designs)))
            vector = self.designs[design] + noise * self.draw.normal(size=16)
            self.vectors[f"picture of {name}"] = vector / np.linalg.norm(vector)
            block = {"brand": f"b{design % 4}", "gender": "Men", "article_type": "Tops"}
            picture = {"sha256": f"picture of {name}", "problem": None}
            self.rows.append({"product_id": name} | block | picture)
            made.append(name)
        return made

    def group(
        self,
        before: Version | None = None,
        how: Grouper | None = None,
        dtype: type = np.float16,
        **options: Any,
    ) -> Version:
        table = pd.DataFrame(self.rows).astype(object)
        vectors: np.ndarray = np.stack([self.vectors[name] for name in table["sha256"]]).astype(
            dtype
        )
        how = how or grouper()
        return as_version(regroup(table, vectors, how, PARAMS, before, **options), how, before)


def keep(store: Store, version: Version, source: str = "/shops/shop") -> Store:
    """Keeps a version of the catalogue "shop", as `variants group` would; returns the store."""
    facts = {"catalogue": "shop", "source": source, "columns": {}, "model": "models:/m/1"}
    facts |= {"predecessor": version.number - 1}
    tables = (version.products, version.means, version.changes, version.retired)
    save(store, Version(version.facts | facts, *tables))
    return store


def as_version(result: Regrouped, how: Grouper, before: Version | None) -> Version:
    number = before.number + 1 if before else 1
    facts = {"number": number, "id": f"version {number}", "corrections": None} | how.facts()
    return Version(facts, *result)


def groups(version: Version) -> pd.Series:
    return version.products.set_index("product_id")["group"]


def together(version: Version) -> set[frozenset[str]]:
    return {frozenset(one) for _, one in groups(version).groupby(groups(version)).groups.items()}
