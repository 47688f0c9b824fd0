"""200 random corrections on the groups of real photos: how many hold, and what else they move.

Half of the words part two products of one group, half join two of one block: all of them are
against the model. It reads the newest version of a catalogue and its embeddings from the store of a
project, groups again with the words, anew by each clustering, and by another model if one is named.
It changes nothing there, and writes benchmarks/corrections.json.
"""

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, get_args

import numpy as np
import pandas as pd
import typer

from benchmarks.checkout import ROOT
from flows.catalogue.embeddings import kept_embeddings
from flows.catalogue.places import store_of
from flows.groups import find
from flows.local.project import Project
from ml.catalogue.constraints import Constraints, constraints
from ml.catalogue.contradictions import refuse_contradictions
from ml.catalogue.corrections import check_corrections
from ml.catalogue.locks import no_locks
from ml.catalogue.memory import MemoryParams, Said, regroup
from ml.catalogue.overruled import overruled_model
from ml.core.command import run_app
from ml.core.errors import UserError
from ml.core.files import write_json
from ml.core.params import load_params
from ml.data.blocks import block_numbers
from ml.grouping.grouping import ClusteringName

OUT = ROOT / "benchmarks/corrections.json"
OURS = ["group", "opened", "score", "band"]  # columns that a grouping adds

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    catalogue: Annotated[str, typer.Option(help="Its name in the store.")] = "photos",
    project: Annotated[Path, typer.Option(help="A clone that has grouped it.")] = ROOT,
    other: Annotated[str, typer.Option(help="Another model that has embedded it.")] = "",
    count: Annotated[int, typer.Option(min=2, help="Number of corrections.")] = 200,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 0,
) -> None:
    """Corrects a grouping at random and writes what holds and what moves."""
    place = Project(project.resolve())
    store = store_of(place)
    version = find(store, catalogue)
    before = version.products
    words = random_words(before, count, np.random.default_rng(seed))
    block = block_numbers(before)
    held = constraints(words, no_locks(), before["product_id"].tolist(), block)
    params = load_params("catalogue", MemoryParams, ROOT / "params.yaml")
    rows = []
    for uri in filter(None, (version.facts["model"], other)):
        with TemporaryDirectory() as folder:
            found = kept_embeddings(place, store, uri, before, Path(folder))
            table = before.drop(columns=OURS).assign(problem=found.problems)
            readable = table["problem"].isna().to_numpy()
            ways: list[tuple[str, ClusteringName, bool]] = [
                ("again", found.grouper.clustering, False),
                *((f"anew by {one}", one, True) for one in get_args(ClusteringName)),
            ]
            for name, clustering, anew in ways:
                grouper = found.grouper._replace(clustering=clustering)
                ruled = overruled_model(found.embeddings, grouper, held, readable)
                said = Said(
                    held.same, held.different, np.full(len(table), -1), np.ones(len(table), bool)
                )
                plain = regroup(table, found.embeddings, grouper, params, version, anew=anew)
                started = time.monotonic()
                after = regroup(table, found.embeddings, grouper, params, version, said, anew=anew)
                rows.append(
                    {"model": uri, "grouping": name, "seconds": time.monotonic() - started}
                    | moved(plain.products["group"], after.products["group"], held)
                    | {"overruled": ruled}
                )
                print(rows[-1], flush=True)
    write_json(OUT, {"products": len(before), "corrections": len(held.said), "rows": rows})


def random_words(products: pd.DataFrame, count: int, random: np.random.Generator) -> pd.DataFrame:
    """Draws corrections against a grouping that do not contradict each other."""
    members = products.groupby(["brand", "gender", "article_type"], sort=False).indices
    blocks = [rows for rows in members.values() if len(rows) > 1]
    shares = np.array([len(rows) for rows in blocks]) / sum(map(len, blocks))
    ids, group = products["product_id"].to_numpy(), products["group"].to_numpy()
    kept = pd.DataFrame()
    while len(kept) < count:
        a, b = random.choice(blocks[random.choice(len(blocks), p=shares)], 2, replace=False)
        apart = bool(group[a] != group[b])
        if apart != (len(kept) % 2 == 0):
            continue
        row = {"left": ids[a], "right": ids[b], "same": str(int(apart))}
        new = check_corrections(pd.DataFrame([row], dtype=object), "words", "a draw")
        both = pd.concat([kept, new], ignore_index=True)
        try:
            refuse_contradictions(both, no_locks())
        except UserError:
            continue
        if len({frozenset(pair) for pair in both[["left", "right"]].to_numpy()}) == len(both):
            kept = both
    return kept


def moved(before: pd.Series, after: pd.Series, held: Constraints) -> dict[str, Any]:
    """Compares groups without and with corrections.

    Returns:
        {"hold": share of the corrections that hold, "groups": of two or more, without corrections,
        "changed": those of them that are other groups with corrections, "beside": those of these
        that hold no corrected product and none that ever shares a group with one}.
    """
    left, right, same = held.said.T
    labels = pd.factorize(after)[0]
    hold = float(((labels[left] == labels[right]) == (same == 1)).mean())
    near = np.zeros(len(before), bool)
    near[held.said[:, :2].ravel()] = True
    for group in (before, after):
        near = pd.Series(near).groupby(pd.factorize(group)[0]).transform("any").to_numpy()

    def sets(group: pd.Series) -> set[frozenset[int]]:
        return {frozenset(rows) for rows in group.groupby(group).indices.values() if len(rows) > 1}

    changed = sets(before) - sets(after)
    beside = sum(not near[list(rows)].any() for rows in changed)
    counts = {"groups": len(sets(before)), "changed": len(changed), "beside": beside}
    return {"hold": hold} | counts


if __name__ == "__main__":
    run_app(app)
