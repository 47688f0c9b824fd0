"""What the gate learns of a promotion's impact: champion and challenger group one catalogue."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from mlflow.entities.model_registry import ModelVersion

from flows.catalogue.corrections import read_corrections, said_about
from flows.catalogue.embeddings import Embedded, embedded
from flows.catalogue.grouping import OURS, PATH
from flows.catalogue.places import store_of
from flows.local.project import Project
from flows.local.scratch import scratch
from flows.registry.versions import uri_of
from ml.catalogue.block_grouping import group_alone
from ml.catalogue.corrections import standing
from ml.catalogue.memory import MemoryParams, regroup
from ml.catalogue.store import Store
from ml.catalogue.versions import Version, load, newest_facts
from ml.core.files import read_table
from ml.core.params import load_params
from ml.core.paths import PREPARED, SNAPSHOT
from ml.data.blocks import block_numbers
from ml.promote.impact import ImpactSummary, measure_impact, sample_blocks, summary
from ml.promote.impact_page import write_impact
from ml.promote.policy import ImpactPolicy

Log = Callable[[str], None]
LEAST_PICTURES = 0.5  # share of a catalogue's products whose pictures must be on this machine
KEPT = "catalogues/*/snapshot/images"  # in `.variants`: pictures of the catalogues grouped here


class Catalogue(NamedTuple):
    """A catalogue that both models group.

    Attributes:
        products: product_id, brand, gender, article_type, sha256, title if there are titles, and
            image, the path of the picture.
        words: which one it is.
        left_out: number of its products whose picture is not on this machine.
        corrections: left, right, same; None if there are none.
        version: the newest of its groups; None if it was never grouped.
    """

    products: pd.DataFrame
    words: str
    left_out: int
    corrections: pd.DataFrame | None
    version: Version | None


def impact_of(
    project: Project,
    policy: ImpactPolicy,
    root: Path,
    challenger: ModelVersion,
    champion: ModelVersion,
    pages: Path,
    log: Log,
) -> ImpactSummary | None:
    """Lets champion and challenger group the newest grouped catalogue, and writes what differs.

    Both group it anew: without the memory of earlier groups, which would hide differences that
    come out as soon as blocks change, and without corrections, which hold under any model. Beside
    it stands how many products the next `variants group` by the challenger would move, with both.
    Embeddings are kept in the store, so that the next decision embeds only for its challenger.

    Args:
        policy: the section `gate.impact` of the policy.
        root: the checkout with the challenger's snapshot and the stages' results.
        pages: folder for impact.html and impact.json.
        log: called with a line for each step.

    Returns:
        None if no block is small enough for the sample.

    Raises:
        UserError: the store cannot be used, or a model is not as the gate judged it.
        RuntimeError: a model failed.
    """
    store = store_of(project)
    catalogue = catalogue_to_group(project, store, root)
    chosen = sample_blocks(catalogue.products, policy.sample)
    products = catalogue.products.iloc[chosen].reset_index(drop=True)
    if not len(products):
        log(
            f"warning: every block has more than {policy.sample} products, so the impact of a "
            "promotion is not known: raise gate.impact.sample"
        )
        return None
    names = {"champion": uri_of(champion), "challenger": uri_of(challenger)}
    log(f"{' and '.join(names.values())} group {len(products)} products of {catalogue.words}")
    groups, at_once = {}, None
    for name, uri in names.items():
        with scratch(project, "impact") as folder:
            found = embedded(project, store, uri, products, folder, log)
            groups[name] = plain_groups(products, found)
            if name == "challenger" and catalogue.version:
                at_once = moved_at_once(project, store, catalogue.version, products, found)
    impact = measure_impact(
        products, groups["champion"], groups["challenger"], catalogue.corrections
    )
    left_out = catalogue.left_out + len(catalogue.products) - len(products)
    facts: dict[str, Any] = {"catalogue": catalogue.words, "left_out": left_out}
    facts |= {"limit": policy.largest_share, "mode": policy.mode, "at_once": at_once}
    write_impact(
        impact,
        products,
        names | facts,
        pages,
        lambda place: Path(products["image"].iloc[place]).read_bytes(),
    )
    return summary(impact, catalogue.words, left_out, at_once)


def catalogue_to_group(project: Project, store: Store, root: Path) -> Catalogue:
    """Returns the newest grouped catalogue, or the challenger's own snapshot.

    It is the snapshot if nothing was grouped yet, or if fewer than half of the catalogue's products
    have their picture in the snapshot or in a shop that was grouped on this machine.

    Args:
        root: the checkout with the challenger's snapshot and the stages' results.
    """
    folders = [root / SNAPSHOT / "images", *sorted(project.room.glob(KEPT))]
    paths = {one.name: str(one) for folder in reversed(folders) for one in folder.glob("*")}
    newest = max(newest_facts(store), key=lambda facts: str(facts["created"]), default=None)
    if newest:
        name, number = newest["catalogue"], newest["number"]
        version = load(store, name, number)
        products = version.products
        here = products["sha256"].isin(list(paths))
        if here.mean() >= LEAST_PICTURES:
            found = _with_paths(products[here], paths)
            words = f"version {number} of the catalogue {name}"
            said = standing(read_corrections(store, name))
            return Catalogue(found, words, int((~here).sum()), said, version)
    products = read_table(root / PREPARED / "products.parquet")
    here = products["sha256"].isin(list(paths))
    words = "the challenger's own snapshot"
    return Catalogue(_with_paths(products[here], paths), words, int((~here).sum()), None, None)


def plain_groups(products: pd.DataFrame, found: Embedded) -> np.ndarray:
    """Groups products by a model, without memory and corrections.

    Args:
        products: brand, gender, article_type; of whole blocks.
        found: their embeddings.

    Returns:
        int (products,), number of the group; a product without a readable picture is alone.
    """
    readable = pd.isna(pd.Series(found.problems)).to_numpy()
    return group_alone(found.embeddings, found.grouper, block_numbers(products), readable)


def moved_at_once(
    project: Project, store: Store, before: Version, products: pd.DataFrame, found: Embedded
) -> int:
    """Counts the products that the next grouping of a catalogue would move by another model.

    Args:
        before: the newest version.
        products: those of its products that are counted, in whole blocks.
        found: their embeddings by the other model.
    """
    known = before.products["product_id"].isin(set(products["product_id"]))
    part = replace(before, products=before.products[known].reset_index(drop=True))
    table = products.drop(columns=[*OURS, PATH], errors="ignore").assign(problem=found.problems)
    words = said_about(store, before.facts["catalogue"])(table)[1]
    params = load_params("catalogue", MemoryParams, project.root / "params.yaml")
    after = regroup(table, found.embeddings, found.grouper, params, part, words).products
    old = part.products.set_index("product_id")["group"].reindex(after["product_id"])
    return measure_impact(after, old.to_numpy(), after["group"].to_numpy()).counts.moved


def _with_paths(products: pd.DataFrame, paths: dict[str, str]) -> pd.DataFrame:
    images = products["sha256"].map(paths)
    return products.assign(image=images).reset_index(drop=True)
