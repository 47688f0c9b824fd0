"""Groups a catalogue anew, remembering the version before: ids live on, groups hardly move.

A block in which nothing has changed is not even looked at. In the others, existing groups change
only if the evidence exceeds a margin (hysteresis), and products are compared against the mean that
their block had when its groups were made, so that one newcomer does not move all others.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from pydantic import Field

from ml.catalogue.block_grouping import (
    Block,
    BlockMean,
    GroupedBlock,
    Grouper,
    Rows,
    group_block,
)
from ml.catalogue.changes import changes, retirements
from ml.catalogue.earlier import Earlier, look_back
from ml.catalogue.identity import new_id
from ml.catalogue.versions import Version
from ml.core.params import Params
from ml.data.blocks import block_numbers
from ml.data.matching import carry_over
from ml.data.schema import BLOCK

# Why the groups of a block may change, from the weightiest on.
ANEW, BY_MODEL, BY_MEAN = "everything is grouped anew", "another model", "its block has grown"
CORRECTED, PICTURE, NEWS = "a correction", "another picture", "its block has other products"

Run = Callable[[Iterable[tuple[int, Block]]], Iterable[tuple[int, GroupedBlock]]]


class MemoryParams(Params):
    """The params under `catalogue` in params.yaml."""

    margin: float = Field(
        ge=0, le=1, description="1 − cosine that evidence against existing groups must exceed"
    )
    refresh: float = Field(
        ge=1, description="factor by which a block grows or shrinks until its mean is made anew"
    )


class Said(NamedTuple):
    """What people have said about products, which no model overrules.

    Attributes:
        same, different: int (any, 2), positions of products that are together or apart.
        locked: int (products,), number of the locked group of a product, or −1.
        named: bool (products,), whether any word names a product, such as one that is taken back.
    """

    same: np.ndarray
    different: np.ndarray
    locked: np.ndarray
    named: np.ndarray


class Regrouped(NamedTuple):
    """A new grouping of a catalogue; see `ml.catalogue.versions.Version`."""

    products: pd.DataFrame
    means: pd.DataFrame
    changes: pd.DataFrame
    retired: pd.DataFrame


def regroup(
    products: pd.DataFrame,
    embeddings: Rows,
    grouper: Grouper,
    params: MemoryParams,
    before: Version | None = None,
    said: Said | None = None,
    *,
    anew: bool = False,
    all_blocks: bool = False,
    heard: bool = False,
    run: Run | None = None,
) -> Regrouped:
    """Groups a catalogue.

    Args:
        products: the catalogue; product_id (each once), brand, gender, article_type, sha256, and
            problem: why the picture cannot be read, or None.
        embeddings: float16 or float32 (products, size), not relative to blocks; read by block.
        before: the newest version; None: there is none.
        said: by people, about these products.
        anew: whether groups and means of before count for nothing but the ids.
        all_blocks: whether blocks are looked at in which nothing has changed.
        heard: whether the version before kept all that people have said already.
        run: groups the numbered blocks, in any order; by default here, one after the other.

    Returns:
        The catalogue with group, opened, score, band and problem. A product whose picture cannot be
        read stays in its group, whose band it has, or is alone.
    """
    products = products.reset_index(drop=True)
    block = block_numbers(products)
    earlier = look_back(products, block, grouper, before)
    skips = not (anew or all_blocks) and earlier.same_model
    task = _Task(products, block, embeddings, params, earlier, said, before, anew, skips, heard)
    for number, found in (run or _one_after_another(grouper))(task.blocks()):
        task.take(number, found)
    locked = said.locked if said else np.full(len(products), -1)
    mates = pd.DataFrame({"earlier": earlier.group, "block": block, "locked": locked})
    mate = mates.groupby(list(mates)).ngroup().to_numpy()
    label = _attach(task.label, mate, task.readable, task.looked_at & (earlier.group >= 0))
    label = _by_first(as_said(label, block, task.readable, said) if said else label)
    if before:
        _keep_bands(task, label, before)
    number = before.number + 1 if before else 1
    ids, opened = _ids(products, label, earlier, str(before.facts["id"]) if before else "", number)
    table = products.assign(group=ids, opened=opened, score=task.score, band=task.band)
    task.reason[earlier.repictured] = PICTURE
    columns = ["product_id", "group"]
    old = before.products[columns] if before else table.iloc[:0][columns]
    gone = retirements(old, table[columns]).assign(version=number)
    retired = pd.concat([before.retired, gone], ignore_index=True) if before else gone
    listed = changes(old, table[columns].assign(reason=task.reason))
    return Regrouped(table, task.means_table(), listed, retired)


def _one_after_another(grouper: Grouper) -> Run:
    return lambda blocks: ((number, group_block(block, grouper)) for number, block in blocks)


class _Task:
    """A grouping under way: what is asked block by block, and what came out."""

    def __init__(
        self,
        products: pd.DataFrame,
        block: np.ndarray,
        embeddings: Rows,
        params: MemoryParams,
        earlier: Earlier,
        said: Said | None,
        before: Version | None,
        anew: bool,
        skips: bool,
        heard: bool,
    ) -> None:
        count = len(products)
        self.products, self.embeddings, self.params = products, embeddings, params
        self.earlier, self.said, self.anew, self.before = earlier, said, anew, before
        self.skips = skips  # blocks in which nothing has changed
        self.readable = products["problem"].isna().to_numpy()
        order = np.argsort(block, kind="stable")
        ends = np.flatnonzero(np.diff(block[order])) + 1
        self.members = np.split(order, ends) if count else []
        self.label = np.arange(count) + len(earlier.ids)  # alone, beyond the earlier groups
        self.used = count + len(earlier.ids)
        self.score, self.band = np.full(count, np.nan), np.full(count, "leave", dtype=object)
        self.reason = np.full(count, NEWS, dtype=object)
        self.looked_at = np.ones(count, bool)
        self.means: dict[int, BlockMean] = {}
        self.touched = np.zeros(count, bool)
        self.pairs: dict[str, dict[int, np.ndarray]] = {"same": {}, "different": {}}
        if said:
            self.touched = said.named & (not heard)
            for name, pairs in (("same", said.same), ("different", said.different)):
                inside = pairs[block[pairs[:, 0]] == block[pairs[:, 1]]]
                for number in np.unique(block[inside[:, 0]]):
                    self.pairs[name][number] = inside[block[inside[:, 0]] == number]

    def blocks(self) -> Iterator[tuple[int, Block]]:
        """Yields the blocks that must be grouped; notes what stays as it was."""
        for number, here in enumerate(self.members):
            if self._as_before(number, here):
                self._keep(number, here)
                continue
            good = here[self.readable[here]]
            mean, why = self._mean(number, len(good))
            self.reason[here] = CORRECTED if why == NEWS and self.touched[here].any() else why
            if len(good) > 1:
                held = np.where(self.earlier.repictured[good], -1, self.earlier.group[good])
                locked = self.said.locked[good] if self.said else None
                yield (
                    number,
                    Block(
                        np.asarray(self.embeddings[good]),
                        mean,
                        np.full(len(good), -1) if self.anew else held,
                        self.params.margin,
                        self._pairs("same", number, good),
                        self._pairs("different", number, good),
                        locked,
                    ),
                )

    def take(self, number: int, found: GroupedBlock) -> None:
        """Takes the groups of a block."""
        good = self.members[number][self.readable[self.members[number]]]
        self.label[good] = found.label + self.used
        self.used += int(found.label.max()) + 1
        self.score[good], self.band[good] = found.score, found.band
        self.means[number] = found.mean

    def means_table(self) -> pd.DataFrame:
        """Returns the means that the next version keeps."""
        numbers = sorted(self.means)
        first = [int(self.members[number][0]) for number in numbers]
        return self.products.iloc[first][BLOCK].assign(
            products=[self.means[number].products for number in numbers],
            total=pd.Series(
                [self.means[number].total for number in numbers], index=first, dtype=object
            ),
        )

    def _as_before(self, number: int, here: np.ndarray) -> bool:
        """Returns whether nothing that decides the groups of a block has changed."""
        return (
            self.skips
            and self.earlier.sizes[number] == len(here)
            and bool(self.earlier.steady[here].all())
            and not self.touched[here].any()
        )

    def _keep(self, number: int, here: np.ndarray) -> None:
        assert self.before is not None
        rows = self.before.products.iloc[self.earlier.row[here]]
        self.label[here] = self.earlier.group[here]
        self.score[here], self.band[here] = rows["score"].to_numpy(), rows["band"].to_numpy()
        self.looked_at[here] = False
        if number in self.earlier.means:
            self.means[number] = self.earlier.means[number]

    def _mean(self, number: int, products: int) -> tuple[BlockMean | None, str]:
        """Returns the kept mean of a block, if it still holds, and why its groups may change."""
        if self.anew or not self.earlier.same_model:
            return None, NEWS if self.before is None else ANEW if self.anew else BY_MODEL
        kept, factor = self.earlier.means.get(number), self.params.refresh
        if kept and kept.products / factor <= products <= kept.products * factor:
            return kept, NEWS
        return None, BY_MEAN if kept else NEWS

    def _pairs(self, name: str, number: int, good: np.ndarray) -> np.ndarray:
        """Returns the pairs of a block, of readable products, counted within the block."""
        pairs = self.pairs[name].get(number, np.zeros((0, 2), int))
        found = np.searchsorted(good, pairs)
        inside = (found < len(good)) & (good[np.minimum(found, len(good) - 1)] == pairs)
        return np.asarray(found[inside.all(axis=1)])


def _attach(
    label: np.ndarray, mate: np.ndarray, readable: np.ndarray, known: np.ndarray
) -> np.ndarray:
    """Leaves products without a picture in the group where most of their mates are.

    Args:
        mate: int (products,), the same for products of one earlier group, block and lock.
        known: bool (products,), whether it was in a group, and its block was looked at.
    """
    lost = ~readable & known
    mates = pd.DataFrame({"mate": mate, "label": label})[readable & known]
    counted = mates.groupby(["mate", "label"]).size().reset_index(name="products")
    counted = counted.sort_values(["products", "label"], ascending=[False, True])
    most = counted.drop_duplicates("mate").set_index("mate")["label"]
    # Mates that can none of them be read stay together, under a number of their own.
    found = most.reindex(mate[lost]).to_numpy()
    attached = label.copy()
    attached[lost] = np.where(np.isnan(found), mate[lost] + label.max(initial=0) + 1, found)
    return attached


def _keep_bands(task: _Task, label: np.ndarray, before: Version) -> None:
    """Gives products without a picture the band of their group.

    Where fewer than two can be read, nobody has judged the group: it keeps band and scores if it
    has all members that are still in the catalogue, with the pictures they had, and no other.
    """
    earlier, size = task.earlier, np.bincount(label)
    readable = np.bincount(label, task.readable)
    judged, good = readable >= 2, np.flatnonzero(task.readable)
    band = np.full(len(size), None, dtype=object)
    band[label[good]] = task.band[good]
    lost = ~task.readable & judged[label]
    task.band[lost] = band[label[lost]]
    was = np.where(earlier.repictured & task.readable, -1, earlier.group)
    known = was >= 0
    first = np.full(len(size), -1)
    first[label[known]] = was[known]
    same = np.bincount(label, known & (was == first[label])) == size
    whole = (
        size == np.bincount(earlier.group[earlier.group >= 0], minlength=len(earlier.ids))[first]
    )
    kept = np.flatnonzero((same & whole & ~judged & (size > 1))[label])
    rows = before.products.iloc[earlier.row[kept]]
    task.score[kept], task.band[kept] = rows["score"].to_numpy(), rows["band"].to_numpy()


def as_said(label: np.ndarray, block: np.ndarray, readable: np.ndarray, said: Said) -> np.ndarray:
    """Joins and parts products whose picture cannot be read: no clustering has seen them.

    Args:
        label: int (products,), groups.
        block: int (products,).
        readable: bool (products,).
        said: of pairs that must be together, the left product is readable if one of all that they
            join is.

    Returns:
        int (products,), groups.
    """
    label = label.copy()
    unread = said.same[~readable[said.same].all(axis=1)]
    label[unread[:, 1]] = label[unread[:, 0]]
    for pair in said.different[~readable[said.different].all(axis=1)]:
        if label[pair[0]] == label[pair[1]]:
            gone = pair[0] if not readable[pair[0]] else pair[1]
            label[gone] = label.max() + 1
            label[said.same[said.same[:, 0] == gone, 1]] = label[gone]
    locked = np.flatnonzero(said.locked >= 0)
    home: dict[tuple[int, int], int] = {}  # of the members of a lock in a block
    for one in locked[np.argsort(~readable[locked], kind="stable")].tolist():
        label[one] = home.setdefault((int(said.locked[one]), int(block[one])), int(label[one]))
    return label


def _by_first(label: np.ndarray) -> np.ndarray:
    """Numbers labels from 0 by their first product."""
    return np.asarray(pd.factorize(label)[0], int)


def _ids(
    products: pd.DataFrame, label: np.ndarray, earlier: Earlier, predecessor: str, number: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the id of each product's group, and the version that opened it."""
    carried = carry_over(label, earlier.group, np.arange(len(earlier.ids)))
    names = np.empty(len(carried), dtype=object)
    opened = np.full(len(carried), number)
    old = carried >= 0
    names[old], opened[old] = earlier.ids[carried[old]], earlier.opened[carried[old]]
    order, ends = np.argsort(label, kind="stable"), np.cumsum(np.bincount(label))
    ids = products["product_id"].to_numpy(dtype=object)
    for group in np.flatnonzero(~old):
        members = order[ends[group - 1] if group else 0 : ends[group]]
        names[group] = new_id(predecessor, ids[members].tolist())
    return names[label], opened[label]
