"""Suggests pairs of products to annotate.

A batch of train pairs holds pairs that are drawn at random, with known probability, so that the
precision and recall of the groups can be estimated from them (`ml.annotate.estimate`), and pairs
that are chosen because an answer would teach the model most:

- *near*: their distance is nearest to the threshold of the grouping (uncertainty sampling; Lewis
  and Gale 1994);
- *disagreement*: the model and features that have seen no label say the opposite (query by
  committee; Seung, Opper and Sompolinsky 1992);
- *new*: pairs of blocks of which nothing is known, or of products that have just come.

Of each of these kinds a pool several times as large as needed is made and drawn from, so that a
batch does not ask about one block again and again.

A batch of test pairs is drawn at random in strata of untrained similarity: no model that will be
compared on them has a say.
"""

from itertools import pairwise

import numpy as np
import pandas as pd

from ml.annotate.candidates import PLACES, PUBLISHED, REVIEW, Grouped, pairs_of
from ml.annotate.known_answers import UNKNOWN, KnownAnswers
from ml.annotate.pair_scan import View, scan_pairs
from ml.annotate.random_strata import RANDOM, RandomStrata, allocate
from ml.annotate.telling_pairs import TellingPairs

RANDOM_SHARE = 0.5  # of a batch of train pairs; half of it is for precision, half for recall
# Strata by distance over threshold, and the share of variants that is expected in each. A wrong
# expectation makes estimates less precise, not wrong. It was counted in complete blocks.
TRAIN_EDGES, TEST_EDGES = (1.0, 1.15, 1.3, 1.6), (0.75, 1.0, 1.25, 1.5)
EXPECTED = (0.95, 0.5, 0.1, 0.04, 0.012, 0.004, 0.001)


def suggest_train(
    grouped: Grouped, views: tuple[View, ...], known: KnownAnswers, budget: int, seed: int
) -> pd.DataFrame:
    """Suggests pairs to learn from.

    Args:
        views: of the model that made the groups, and maybe of an untrained encoder.
        known: answers, whose pairs are not suggested again.
        budget: number of pairs. There are fewer if the catalogue has no more.
        seed: of all draws.

    Returns:
        left, right (ids), stratum, probability (with which this pair is in such a batch: pairs of
        its stratum or pool are equally likely) and why, in random order. `attrs["frame"]` is what
        an estimate needs: {"strata": {name: number of pairs}, "known": {place: [different, same,
        unsure]}, the number of pairs that are answered}.
    """
    random = np.random.default_rng(seed)
    drawn = round(budget * RANDOM_SHARE)
    far = _between(TRAIN_EDGES, "of the model's threshold apart")
    sampler = RandomStrata(
        [f"{RANDOM} {one}" for one in (PUBLISHED, REVIEW)]
        + [f"{RANDOM} outside {number + 1}" for number in range(len(far))],
        ["within published groups", "within groups to review"]
        + [f"among products of different groups {one}" for one in far],
        drawn,
        random,
    )
    chosen = TellingPairs(grouped, known, budget)
    for pairs in scan_pairs(grouped.block, views):
        answer, place = known.of(pairs.left, pairs.right), grouped.place(pairs)
        stratum = np.where(place == 2, 2 + _bin(pairs.ratio[0], TRAIN_EDGES), place)
        sampler.offer(pairs, stratum, place, answer)
        chosen.offer(pairs, answer == UNKNOWN)
    sizes, expected = sampler.sizes, np.array(EXPECTED)
    weight = sizes * np.sqrt(expected * (1 - expected))  # Neyman 1934
    counts = np.zeros(len(sizes), int)
    counts[:2] = allocate(drawn // 2, sizes[:2], np.ones(2))  # published groups are few
    counts[2:] = allocate(drawn - counts[:2].sum(), sizes[2:], weight[2:])
    rows = sampler.rows(grouped.ids, counts)
    rows += chosen.rows(pairs_of(rows), budget - int(counts.sum()), random)
    return _batch(rows, sampler, random)


def suggest_test(
    grouped: Grouped, untrained: View, known: KnownAnswers, budget: int, seed: int
) -> pd.DataFrame:
    """Suggests fresh pairs to compare models on; arguments and result are as of `suggest_train`.

    Groups are only looked at to count the answers that are known.
    """
    random = np.random.default_rng(seed)
    far = _between(TEST_EDGES, "of the untrained threshold apart")
    names = [f"{RANDOM} untrained {number + 1}" for number in range(len(far))]
    sampler = RandomStrata(names, [f"among pairs {one}" for one in far], budget, random)
    for pairs in scan_pairs(grouped.block, (untrained,)):
        answer = known.of(pairs.left, pairs.right)
        sampler.offer(pairs, _bin(pairs.ratio[0], TEST_EDGES), grouped.place(pairs), answer)
    # Equal parts: the nearest strata have the variants, the next ones what is hard to tell.
    rows = sampler.rows(grouped.ids, allocate(budget, sampler.sizes, np.ones(len(names))))
    return _batch(rows, sampler, random)


def _between(edges: tuple[float, ...], unit: str) -> list[str]:
    ends = ["0", *map(str, edges)]
    inner = [f"{low} to {high} {unit}" for low, high in pairwise(ends)]
    return [*inner, f"more than {edges[-1]} {unit}"]


def _batch(
    rows: list[pd.DataFrame], sampler: RandomStrata, random: np.random.Generator
) -> pd.DataFrame:
    table = pd.concat([one for one in rows if len(one)] or rows[:1], ignore_index=True)
    table = table.iloc[random.permutation(len(table))].reset_index(drop=True)
    table.attrs["frame"] = {
        "strata": dict(zip(sampler.names, sampler.sizes.tolist(), strict=True)),
        "known": dict(zip(PLACES, sampler.known.tolist(), strict=True)),
    }
    return table


def _bin(ratio: np.ndarray, edges: tuple[float, ...]) -> np.ndarray:
    """Returns the number of edges below each ratio: int (pairs,)."""
    return np.searchsorted(np.array(edges, np.float32), ratio, side="left")
