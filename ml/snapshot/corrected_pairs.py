"""Joins corrections and annotations of a catalogue to the annotated pairs of its shop.

A correction was made because a grouping was wrong, so these pairs are no fair sample: they carry
the origin "correction", by which training takes them and comparisons of models leave them out. So
do annotated pairs that a model suggested, whose origin is "suggested".
"""

from pathlib import Path

import pandas as pd

from ml.data.annotations import CORRECTION, pair_keys
from ml.data.schema import BLOCK
from ml.snapshot.shop_checks import Log, check_pairs
from ml.snapshot.tables import read_csv


def read_corrected(file: Path) -> pd.DataFrame:
    """Reads what people said from CSV: left, right, color_variants (1 or 0), annotator, origin.

    Raises:
        UserError: the file is no such table.
    """
    return check_pairs(read_csv(file.read_bytes(), file.name, delimiter=","), file.name)


def with_corrections(
    pairs: pd.DataFrame | None, corrections: pd.DataFrame, catalog: pd.DataFrame, log: Log
) -> pd.DataFrame | None:
    """Adds what people said to annotated pairs; it replaces what the shop's pairs say otherwise.

    A pair of the shop that people confirm stays as it is, and one that annotators change keeps its
    origin: no model chose that it is compared on. What is said of products that the catalogue
    lacks, or that are of two blocks, is left out.

    Args:
        pairs: of the shop, as `ml.snapshot.shop.Shop` has them; None: it has none.
        corrections: left, right, color_variants, annotator and origin, each pair once.
        catalog: product_id, brand, gender, article_type.
        log: called with a line that tells what was added and what was left out.
    """
    known = catalog.dropna(subset=["product_id"]).drop_duplicates("product_id")
    block = known.set_index("product_id")[BLOCK].fillna("").agg("\x1f".join, axis=1)
    ends = [corrections[side].map(block) for side in ("left", "right")]
    here = ends[0].notna() & ends[1].notna()
    within = here & (ends[0] == ends[1])
    added = corrections[within]
    corrected = int(added["origin"].eq(CORRECTION).sum())
    counts = {"corrections": corrected, "annotations": len(added) - corrected}
    told = [f"{count} {name}" for name, count in counts.items() if count]
    words = f"{' and '.join(told) or 'no corrections'} become annotated pairs"
    if not here.all():
        words += f"; {(~here).sum()} are of products that the shop no longer has"
    if (here & ~within).any():
        words += f"; {(here & ~within).sum()} are of products of two blocks"
    if pairs is None:
        log(words)
        return added.reset_index(drop=True) if len(added) else None
    if "confidence" in pairs:
        added = added.assign(confidence="high")
    ours, theirs = pair_keys(pairs), pair_keys(added)
    said = ours.map(dict(zip(theirs, added["color_variants"], strict=True)))
    stays = said.eq(pairs["color_variants"]).fillna(False).to_numpy(bool)
    if "confidence" in pairs:
        stays &= pairs["confidence"].ne("low").fillna(True).to_numpy(bool)
    replaced = said.notna().to_numpy() & ~stays
    confirmed = theirs.isin(ours[stays])
    if confirmed.any():
        words += f"; {confirmed.sum()} of them confirm the shop's pairs, which stay"
    if replaced.any():
        words += f"; {replaced.sum()} of them replace what the shop's pairs say"
    log(words)
    origin = pairs["origin"] if "origin" in pairs else pd.Series(None, pairs.index, dtype=object)
    was = dict(zip(ours[replaced], origin[replaced], strict=True))
    added = added.assign(
        origin=[
            was.get(key, new) if new != CORRECTION else new
            for key, new in zip(theirs, added["origin"], strict=True)
        ]
    )
    both = pd.concat([pairs[~replaced], added[~confirmed]], ignore_index=True)
    texts = both.columns.difference(["color_variants"])
    both[texts] = both[texts].astype(object).where(both[texts].notna(), None)
    return both
