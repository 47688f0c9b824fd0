"""Alpha spending: the part of the significance level that a comparison on known pairs may use.

If the same test pairs are compared often enough, a model passes by luck. So each comparison uses
only a part of the policy's significance level: α / (k (k + 1)) for the k-th comparison. These parts
add up to at most α, however many comparisons follow. By the union bound, the chance of even one
lucky promotion stays below α. This is alpha spending (Foster and Stine, "α-investing", JRSS B 70,
2008, section 2), with a series that needs no number of comparisons fixed in advance. It holds as
long as retraining itself does not read the test pairs.

Two snapshots rarely hold exactly the same pairs, and a single new pair must not restore the level.
So a bottom-k sketch identifies the pairs of a test set (Broder, "On the resemblance and containment
of documents", 1997). Two test sets count as the same from a stated share of common pairs on.
"""

import hashlib
import math
from collections.abc import Iterable

SKETCH = 64  # smallest hashes that are kept: the share of common pairs is exact to about 1 / √64


def spendable(significance: float, comparison: int) -> float:
    """Computes the level of one comparison: α / (k (k + 1)).

    Args:
        significance: α, the level of all comparisons on these pairs together.
        comparison: k, the 1-based index of the comparison on these pairs.
    """
    return significance / (comparison * (comparison + 1))


def unspent(significance: float, comparisons: int) -> float:
    """Computes the level that is left for all later comparisons together: α / (k + 1).

    Args:
        significance: α, the level of all comparisons on these pairs together.
        comparisons: k, the number of comparisons that were made on these pairs.
    """
    return significance / (comparisons + 1)


def sketch(pairs: Iterable[tuple[str, str, bool]]) -> str:
    """Sketches a test set in a few hundred characters.

    Args:
        pairs: digests of the two pictures, in any order, and whether they are variants.

    Returns:
        The `SKETCH` smallest hashes of the pairs, in hexadecimal, sorted and separated by spaces.
        Equal sets give equal sketches.
    """
    hashes = {
        hashlib.sha256(f"{min(a, b)} {max(a, b)} {int(c)}".encode()).hexdigest()[:12]
        for a, b, c in pairs
    }
    return " ".join(sorted(hashes)[:SKETCH])


def common_share(first: str, second: str) -> float:
    """Estimates how many of the pairs of two test sets are in both: a share in 0 … 1.

    The share is of all pairs that either set holds (Broder's resemblance).

    Args:
        first, second: what `sketch` returned for each set.
    """
    one, other = set(first.split()), set(second.split())
    smallest = sorted(one | other)[:SKETCH]
    return len(one & other & set(smallest)) / len(smallest) if smallest else 0.0


def fresh_pairs_needed(known: int, same_pairs: float) -> int:
    """Computes how many fresh pairs make a test set count as another one.

    A sketch estimates the common share with a standard error of √(share (1 − share) / `SKETCH`), so
    the share has to be two of these below `same_pairs`.

    Args:
        known: number of pairs of the test set that comparisons have used, and that stay in it.
        same_pairs: share of common pairs from which two test sets count as the same, above 0.
    """
    share = max(same_pairs - 2 * math.sqrt(same_pairs * (1 - same_pairs) / SKETCH), 1 / SKETCH)
    return math.ceil(known * (1 - share) / share)
