"""Whether the parts that the desk marks as matching are those that make two products alike.

Of pairs of products that are in one group, the five parts that the desk would mark are blurred at
once, and as often five other parts of the product, drawn at random. If the marks are right, the
similarity drops more with them. This is the deletion test of Samek et al. (arXiv 1509.06321). It
writes benchmarks/occlusion.json.
"""

import base64
import json
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image

from benchmarks.checkout import ROOT
from flows.catalogue.embedder import embedder
from flows.catalogue.embeddings import MODEL, kept_embeddings
from flows.catalogue.places import store_of
from flows.catalogue.shop import kept_picture
from flows.groups import find
from flows.local.project import Project
from flows.local.scratch import scratch
from ml.catalogue.block_grouping import relative_to
from ml.catalogue.closeness import Closeness
from ml.catalogue.occlusion import blurred, encoded, parts
from ml.core.command import run_app
from ml.core.files import write_json
from ml.data.blocks import block_numbers
from ml.data.images import decode
from ml.prepare.foreground import foreground

OUT = ROOT / "benchmarks/occlusion.json"
SIDE, MARKED = 480, 5

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    project: Annotated[Path, typer.Option(help="A clone with a grouped catalogue.")] = ROOT,
    catalogue: Annotated[str, typer.Option(help="Its name.")] = "photos",
    pairs: Annotated[int, typer.Option(min=2, help="Pairs.")] = 30,
) -> None:
    """Measures pairs of one group, and writes by how much their similarity drops."""
    here = Project(project.resolve())
    store = store_of(here)
    version = find(store, catalogue)
    products = version.products.reset_index(drop=True)
    draw = np.random.default_rng(0)
    drops: dict[str, list[float]] = {"marked": [], "others": []}
    seconds, similarities = [], []
    with scratch(here, "occlusion") as folder:
        kept = kept_embeddings(here, store, version.facts["model"], products, folder)
        near = Closeness(
            products, block_numbers(products), version.means, kept.embeddings, kept.grouper
        )
        mates = np.flatnonzero(products["group"].eq(products["group"].shift()).to_numpy())
        with embedder(here, folder / MODEL) as model:
            for right in draw.choice(mates, pairs, replace=False).tolist():
                left = right - 1
                mean = near.mean(left)
                one = products.iloc[left]
                if mean is None:
                    continue
                file = kept_picture(
                    here, version.facts["source"], version.facts["columns"], one["sha256"]
                )
                shown = Image.fromarray(decode(file.read_bytes()))
                shown.thumbnail((SIDE, SIDE), Image.Resampling.BICUBIC)
                picture, other = np.asarray(shown), near.vectors(np.array([left, right]))[1]

                def similar(content: bytes, kind: str = one["article_type"]) -> np.ndarray:
                    found = model.embed(base64.b64encode(content).decode(), kind)
                    return relative_to(found[None], mean, kept.grouper.block_prior)[0]  # noqa: B023

                seen = foreground(picture)
                whole = float(similar(encoded(picture)) @ other)
                similarities.append(whole)
                started = time.monotonic()
                found = parts(picture, seen.box, seen.mask, similar, other)
                seconds.append(time.monotonic() - started)
                inside = np.flatnonzero(~np.isnan(found.drop))
                best = inside[np.argsort(-found.drop[inside])][:MARKED]
                chance = draw.permutation(np.setdiff1d(inside, best))[:MARKED]
                for name, cells in (("marked", best), ("others", chance)):
                    changed = blurred(picture, [found.boxes[cell] for cell in cells])
                    drops[name].append(whole - float(similar(encoded(changed)) @ other))
    counted: dict[str, object] = {
        "catalogue": catalogue,
        "model": version.facts["model"],
        "pairs": len(similarities),
        "similarity": round(float(np.mean(similarities)), 4),
        "seconds_a_picture": round(float(np.median(seconds)), 2),
    }
    for name, values in drops.items():
        counted[f"drop_{name}"] = round(float(np.mean(values)), 4)
    marked, others = (np.array(drops[name]) for name in ("marked", "others"))
    counted["marked_drop_more"] = round(float((marked > others).mean()), 3)
    print(json.dumps(counted, indent=2))
    write_json(OUT, counted)


if __name__ == "__main__":
    run_app(app)
