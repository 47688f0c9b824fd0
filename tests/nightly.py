"""A made-up catalogue that is grouped night after night, without a registered model."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from catalogue import Shop, grouper

from flows.catalogue.embeddings import Embedded
from flows.catalogue.grouping import Asked, Grouped, group_catalogue
from flows.catalogue.places import store_of
from flows.local.project import Project
from ml.catalogue.store import Store
from ml.catalogue.versions import Version

SOURCE = "/shops/shop"
PARAMS = "catalogue: {margin: 0.05, refresh: 1.5}\n"


class Nightly:
    """Groups a catalogue as `variants group` does; only the embeddings are made up.

    A row of the shop whose "problem" is set has a picture that cannot be read.
    """

    def __init__(
        self, project: Project, patch: pytest.MonkeyPatch, seed: int = 0, count: int = 60
    ) -> None:
        self.project, self.shop = project, Shop(seed, count)
        self.store = store_of(project)
        (project.root / "params.yaml").write_text(PARAMS)
        patch.setattr("flows.catalogue.grouping.embedded", self._embedded)

    def _embedded(
        self, project: Project, store: Store, uri: str, table: pd.DataFrame, *rest: object
    ) -> Embedded:
        problem = {row["product_id"]: row["problem"] for row in self.shop.rows}
        vectors: Any = np.stack([self.shop.vectors[one] for one in table["sha256"]])
        problems = np.array([problem.get(one) for one in table["product_id"]], dtype=object)
        return Embedded(vectors.astype(np.float16), problems, len(table), grouper(files=uri))

    def table(self, names: list[str] | None = None) -> pd.DataFrame:
        """The imported shop, or of it these products only."""
        rows = [row for row in self.shop.rows if names is None or row["product_id"] in names]
        return pd.DataFrame(rows).drop(columns="problem").assign(image="x").astype(object)

    def members(self, version: Version, least: int = 2) -> list[str]:
        """The products of the first group that has so many."""
        found = version.products.groupby("group")["product_id"].apply(list)
        return list(found[found.map(len) >= least].iloc[0])

    def twin(self, product: str, name: str = "zz") -> str:
        """Adds a product that looks exactly like another one of its block."""
        row = self.row(product)
        self.shop.rows.append(row | {"product_id": name})
        return name

    def row(self, product: str) -> dict[str, Any]:
        return next(row for row in self.shop.rows if row["product_id"] == product)

    def group(
        self, names: list[str] | None = None, source: str = SOURCE, **options: Any
    ) -> Grouped:
        asked = Asked("shop", source, options.pop("columns", {}), "Ada", **options)
        table = self.table(names)
        return group_catalogue(self.project, self.store, asked, "models:/m/1", table, print)
