"""Near-duplicates are those of a comparison of all pairs."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.validate.near_duplicates import SAME, SIDE, nearest_earlier

VALUES = SIDE * SIDE * 3


def all_pairs(thumbnails: np.ndarray) -> list[int]:
    """The plain form: each thumbnail against all before it."""
    values, found = thumbnails.astype(np.float32), [-1] * len(thumbnails)
    for place in range(1, len(values)):
        distances = np.abs(values[:place] - values[place]).mean(axis=1)
        if distances.min() <= SAME:
            found[place] = int(distances.argmin())
    return found


@st.composite
def thumbnails(draw: st.DrawFn) -> np.ndarray:
    """Copies of a few pictures, changed by sums of differences around the limit, in any order."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    bases = random.integers(0, 256, (draw(st.integers(1, 4)), VALUES))
    count = draw(st.integers(0, 40))
    made = bases[random.integers(0, len(bases), count)].astype(int)
    for row in made:
        kind = draw(st.sampled_from(["same", "one", "few", "even", "noise"]))
        if kind == "one":
            row[random.integers(VALUES)] += random.integers(-255, 256)
        elif kind == "few":  # on both sides of the limit of 384
            places = random.choice(VALUES, 4, replace=False)
            row[places] += random.integers(90, 103, 4) * random.choice([-1, 1], 4)
        elif kind == "even":
            row += random.choice([-3, -2, -1, 1, 2, 3])
        elif kind == "noise":
            row += random.integers(-3, 4, VALUES)
    return np.clip(made, 0, 255).astype(np.uint8).reshape(count, VALUES)


@settings(deadline=None, max_examples=150)
@given(thumbnails())
def test_the_nearest_are_those_of_all_pairs(made: np.ndarray) -> None:
    assert nearest_earlier(made).tolist() == all_pairs(made)


def test_a_block_of_many_pictures_is_compared_as_all_pairs_are() -> None:
    """More than are looked up at once, with chains and ties."""
    random = np.random.default_rng(0)
    smooth = np.repeat(random.integers(0, 256, (300, VALUES // 4)), 4, axis=1)
    made = smooth[random.integers(0, 300, 1200)] + random.integers(-3, 4, (1200, VALUES))
    made = np.clip(made, 0, 255).astype(np.uint8)
    assert nearest_earlier(made).tolist() == all_pairs(made)
