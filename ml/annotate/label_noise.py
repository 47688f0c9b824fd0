"""Finds annotated pairs whose label is probably wrong, for a second look; it changes none.

A model that never saw a brand's labels predicts them (cross-validation by brand), and labels that
it contradicts strongly come first (Northcutt, Jiang and Chuang, "Confident learning", JAIR 70,
2021; the library cleanlab). It looks at what an untrained encoder says of a pair, since a trained
one has learnt from these labels, wrong ones included, and at what the labels of other pairs imply:
if A = B and B = C, then A = C.
"""

from collections import defaultdict, deque
from dataclasses import dataclass

import numpy as np
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from scipy.sparse import csr_array
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ml.core.errors import UserError

FOLDS = 5
LEAST = 50  # pairs to learn from
MOST_IMPLIED = 3  # more chains of two pairs that say the same say no more


@dataclass(frozen=True)
class Doubts:
    """How far labels can be trusted.

    Attributes:
        quality: float (pairs,), probability of the label that was given.
        wrong: bool (pairs,), whether confident learning takes it for wrong.
    """

    quality: np.ndarray
    wrong: np.ndarray


def label_doubts(
    features: np.ndarray, left: np.ndarray, right: np.ndarray, same: np.ndarray, brand: np.ndarray
) -> Doubts:
    """Judges labels by models that did not see those of the brand.

    Args:
        features: float (pairs, any), that have seen no label.
        left, right: int (pairs,), numbers of products.
        same: bool (pairs,), the labels.
        brand: (pairs,), names; of a single brand, the pairs themselves are divided.

    Raises:
        UserError: there are too few pairs, or too few of one answer.
    """
    folds = min(FOLDS, len(np.unique(brand)))
    group = brand if folds > 1 else np.arange(len(brand))
    least = min(int(same.sum()), int((~same).sum()))
    if len(same) < LEAST or least < FOLDS:
        raise UserError(
            f"{len(same)} annotated pairs, {least} of them of the rarer answer, are too few to "
            f"tell which are wrong: annotate {LEAST} or more"
        )
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    seen = np.column_stack([features, implied(left, right, same)])
    parts = StratifiedGroupKFold(folds if folds > 1 else FOLDS)
    probability = cross_val_predict(
        model, seen, same.astype(int), groups=group, cv=parts, method="predict_proba"
    )
    label = same.astype(int)
    wrong = find_label_issues(label, probability, n_jobs=1)
    return Doubts(get_label_quality_scores(label, probability), np.asarray(wrong, bool))


def implied(left: np.ndarray, right: np.ndarray, same: np.ndarray) -> np.ndarray:
    """Counts what the labels of other pairs say of each pair.

    Returns:
        float (pairs, 2), numbers of third products C, `MOST_IMPLIED` at most, by which A = C = B,
        and by which A = C ≠ B or A ≠ C = B.
    """
    count = int(max(left.max(initial=-1), right.max(initial=-1))) + 1

    def graph(chosen: np.ndarray) -> csr_array:
        ends = np.r_[left[chosen], right[chosen]], np.r_[right[chosen], left[chosen]]
        found = csr_array((np.ones(len(ends[0])), ends), shape=(count, count))
        found.data[:] = 1  # a pair that is listed twice says no more
        return found

    alike, apart = graph(same), graph(~same)
    chains = alike @ alike, alike @ apart + apart @ alike
    return np.minimum(np.column_stack([one[left, right] for one in chains]), MOST_IMPLIED)


def cycles(pairs: list[tuple[str, str, bool]]) -> list[list[str]]:
    """Finds products that cannot be as people say: A = B, B = C and A ≠ C.

    Args:
        pairs: two products, and whether they are said to be variants.

    Returns:
        For each pair that is said to differ although a chain of variants joins it: the shortest
        such chain, from one of its products to the other.
    """
    variants = defaultdict(list)
    for left, right, same in pairs:
        if same:
            variants[left].append(right)
            variants[right].append(left)
    chains = (_chain(variants, left, right) for left, right, same in pairs if not same)
    return [chain for chain in chains if chain]


def _chain(variants: dict[str, list[str]], start: str, end: str) -> list[str]:
    """Returns the shortest chain of variants between two products; empty if there is none."""
    came: dict[str, str] = {start: start}
    waiting = deque([start])
    while waiting and end not in came:
        one = waiting.popleft()
        for other in variants.get(one, ()):
            if other not in came:
                came[other] = one
                waiting.append(other)
    chain = [end] if end in came else []
    while chain and chain[-1] != start:
        chain.append(came[chain[-1]])
    return chain[::-1]
