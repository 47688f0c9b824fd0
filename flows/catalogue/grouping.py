"""A new version of a catalogue's grouping, by a registered model."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from flows.catalogue.corrections import said_about, tell_of
from flows.catalogue.dask_cluster import group_on
from flows.catalogue.embeddings import Embedded, embedded
from flows.local.project import Project
from flows.local.scratch import scratch
from flows.local.snapshots import absolute
from ml.catalogue.counts import counts_of
from ml.catalogue.memory import MemoryParams, Regrouped, regroup
from ml.catalogue.overruled import overruled_model
from ml.catalogue.representative import representatives
from ml.catalogue.store import Store
from ml.catalogue.versions import Version, newest, save
from ml.core.credentials import without_credentials
from ml.core.errors import UserError
from ml.core.params import load_params

Log = Callable[[str], None]
OURS = ("group", "opened", "score", "band", "problem", "representative")  # columns of a version
PATH = "image"  # of the picture on this machine: no version keeps it


@dataclass(frozen=True)
class Asked:
    """What a person asks for.

    Attributes:
        catalogue: its name.
        source: folder or URL of the shop.
        columns: the shop's names of columns → the format's.
        by: who asks.
        anew: whether earlier groups count for nothing but the ids.
        new_only: whether products that the shop lacks stay as they were.
    """

    catalogue: str
    source: str
    columns: dict[str, str]
    by: str
    anew: bool = False
    new_only: bool = False


@dataclass(frozen=True)
class Grouped:
    """What came of it.

    Attributes:
        version: the newest version.
        made: whether it is new, or nobody was told of it; otherwise nothing has changed since.
        embedded: number of pictures that were embedded for it.
    """

    version: Version
    made: bool
    embedded: int


def group_catalogue(
    project: Project,
    store: Store,
    asked: Asked,
    uri: str,
    products: pd.DataFrame,
    log: Log,
    cluster: str = "",
) -> Grouped:
    """Groups a catalogue and keeps the result as its next version, if anything has changed.

    Args:
        uri: a registered model, models:/NAME/VERSION.
        products: the imported shop, with the column image (path).
        log: called with each line that the model's process prints.
        cluster: address of a Dask scheduler, on whose workers pictures are embedded and blocks are
            grouped; empty: here.

    Raises:
        UserError: the shop is another one than that of the version before, corrections contradict
            each other, or as `flows.catalogue.embeddings.embedded`.
    """
    before = newest(store, asked.catalogue)
    kept = before.facts if before else None
    said = said_about(store, asked.catalogue, kept)  # refused before anything is embedded
    refuse_other_shop(asked, products, before)
    table = _whole(asked, products, before)
    params = load_params("catalogue", MemoryParams, project.root / "params.yaml")
    with scratch(project, "group") as folder:
        found = embedded(project, store, uri, table, folder, log, cluster)
        table = table.drop(columns=PATH).assign(problem=found.problems)
        held, words, digest, rows, added = said(table)
        heard = digest == (kept["corrections"] if kept else None)
        result = regroup(
            table,
            found.embeddings,
            found.grouper,
            params,
            before,
            words,
            anew=asked.anew,
            all_blocks=not heard and not added,
            heard=heard,
            run=group_on(cluster, store, found.grouper) if cluster else None,
        )
        old = before.products if before else None
        chosen = representatives(result.products, found.embeddings, old)
        result = result._replace(products=result.products.assign(representative=chosen))
        readable = table["problem"].isna().to_numpy()
        overruled = overruled_model(found.embeddings, found.grouper, held, readable)
    stands = {"overruled": overruled, "of_said": len(held.said) + len(held.locked)}
    tell_of(held, log)
    facts = (
        _facts(asked, uri, found, params, digest, before, result) | stands | {"words": list(rows)}
    )
    if before and not _differs(before, facts, result):
        return Grouped(before, False, found.new)
    version = Version(facts, *result)
    save(store, version)
    return Grouped(version, True, found.new)


def refuse_other_shop(asked: Asked, products: pd.DataFrame, before: Version | None) -> None:
    """Refuses products of which none was in the version before: the memory is of another shop.

    Raises:
        UserError: no product is known.
    """
    if before is None or not len(before.products) or asked.new_only:
        return
    if not products["product_id"].isin(set(before.products["product_id"])).any():
        raise UserError(
            f"none of these {len(products)} products is in version {before.number} of the "
            f"catalogue {asked.catalogue!r} (of {before.facts['source']}): if this is another "
            "shop, give it a name of its own with --catalogue NAME"
        )


def _whole(asked: Asked, products: pd.DataFrame, before: Version | None) -> pd.DataFrame:
    """Returns the table of all products, whose columns cannot be taken for those of a version."""
    clash = {name: _free(f"shop_{name}", products) for name in OURS if name in products}
    table = products.rename(columns=clash)
    if not asked.new_only or before is None:
        return table
    stay = before.products[~before.products["product_id"].isin(set(table["product_id"]))]
    stay = stay.drop(columns=list(OURS)).assign(image=None)
    both = pd.concat([stay, table], ignore_index=True)
    return both.sort_values("product_id", kind="stable", ignore_index=True)


def _free(name: str, products: pd.DataFrame) -> str:
    return name if name not in products else _free(f"shop_{name}", products)


def _facts(
    asked: Asked,
    uri: str,
    found: Embedded,
    params: MemoryParams,
    corrections: str | None,
    before: Version | None,
    result: Regrouped,
) -> dict[str, Any]:
    predecessor = before.facts["id"] if before else ""
    shop: dict[str, Any] = {"source": without_credentials(asked.source), "columns": asked.columns}
    delta = None
    if asked.new_only and before:  # of the whole catalogue the shop stays what it was
        shop, delta = {name: before.facts[name] for name in shop}, shop
    content = result.products[["product_id", "sha256", "group"]].fillna("").to_numpy().tolist()
    named = json.dumps([predecessor, found.grouper.files, content], ensure_ascii=True)
    return {
        "catalogue": asked.catalogue,
        "number": before.number + 1 if before else 1,
        "id": hashlib.sha256(named.encode()).hexdigest(),
        "predecessor": before.number if before else None,
        "model": uri,
        **found.grouper.facts(),
        "margin": params.margin,
        "refresh": params.refresh,
        "anew": asked.anew,
        **shop,
        "delta": delta,
        "corrections": corrections,
        "embedded": found.new,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "by": asked.by,
        "counts": counts_of(result.products),
        "changes": {str(k): int(n) for k, n in result.changes["change"].value_counts().items()},
    }


def _differs(before: Version, facts: dict[str, Any], result: Regrouped) -> bool:
    """Returns whether anything but time and words has changed since the version before."""
    same_facts = all(
        before.facts.get(name) == facts[name]
        for name in ("model_files", "clustering", "threshold", "corrections", "columns")
    ) and absolute(before.facts["source"]) == absolute(facts["source"])
    old, new = before.products, result.products
    return not (
        same_facts
        and list(old.columns) == list(new.columns)
        and len(old) == len(new)
        and bool((_plain(old).to_numpy() == _plain(new).to_numpy()).all())
    )


def _plain(table: pd.DataFrame) -> pd.DataFrame:
    return table.astype(object).where(table.notna(), None)
