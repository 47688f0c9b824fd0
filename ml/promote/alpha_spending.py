"""How often the same test pairs have decided, and how much of the significance level that leaves.

Whoever asks the same pairs often enough is let through by luck. So each comparison may use a part
of the policy's significance level only, α / (k (k + 1)) for the k-th: these parts add up to α
however many follow, so that by the union bound the chance of even one lucky promotion stays below
α. It is alpha-spending (Foster and Stine, "α-investing", JRSS B 70, 2008, section 2), with a series
that needs no number of comparisons fixed in advance. It holds where retraining does not look at the
test pairs itself.

Two snapshots rarely hold exactly the same pairs, and a single new pair must not give the level
back. So test sets are known by a bottom-k sketch of their pairs (Broder, "On the resemblance and
containment of documents", 1997), and are the same from a stated share of common pairs on.
"""

import hashlib
from collections.abc import Iterable

SKETCH = 64  # smallest hashes that are kept: the share of common pairs is known to about 1 / √64


def spendable(significance: float, comparison: int) -> float:
    """The level of the `comparison`-th comparison, from 1, on the same pairs."""
    return significance / (comparison * (comparison + 1))


def unspent(significance: float, comparisons: int) -> float:
    """What all later comparisons together may use after the first `comparisons`."""
    return significance / (comparisons + 1)


def sketch(pairs: Iterable[tuple[str, str, bool]]) -> str:
    """A test set in a few hundred characters.

    Args:
        pairs: digests of the pictures at both ends, in any order, and whether they are variants.

    Returns:
        The smallest hashes of the pairs, in hexadecimal, separated by spaces; equal sets give equal
        sketches.
    """
    hashes = {
        hashlib.sha256(f"{min(a, b)} {max(a, b)} {int(c)}".encode()).hexdigest()[:12]
        for a, b, c in pairs
    }
    return " ".join(sorted(hashes)[:SKETCH])


def common_share(first: str, second: str) -> float:
    """Estimated share of pairs that two sketched test sets have in common, of all that either holds."""
    one, other = set(first.split()), set(second.split())
    smallest = sorted(one | other)[:SKETCH]
    return len(one & other & set(smallest)) / len(smallest) if smallest else 0.0
