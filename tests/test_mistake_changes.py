"""What two models get wrong by labels: new mistakes and mended ones, the worst first."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ml.data.annotations import PairSet
from ml.promote.mistake_changes import FILE, SHOWN, Scores, mistake_changes, write_mistakes

LABEL = np.array([True, True, True, False, False, False])
CHAMPION = Scores(np.array([0.9, 0.6, 0.2, 0.1, 0.85, 0.9]), 0.2)  # wrong about 1, 2, 4 and 5
CHALLENGER = Scores(np.array([0.1, 0.7, 0.2, 0.6, 0.3, 0.4]), 0.5)  # wrong about 0, 2 and 3


def test_new_and_mended_mistakes_are_told_apart_and_the_worst_comes_first() -> None:
    found = mistake_changes(LABEL, CHAMPION, CHALLENGER)
    assert found.new.tolist() == [0, 3]  # 0.4 and 0.1 beyond the challenger's threshold
    assert found.mended.tolist() == [1, 5, 4]  # 0.2, 0.1 and 0.05 beyond the champion's
    assert found.kept == 1


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.95), st.floats(0.05, 0.95))
def test_the_changes_balance_the_mistakes_of_both_models(seed: int, one: float, two: float) -> None:
    random = np.random.default_rng(seed)
    label = random.random(40) < 0.3
    before, after = Scores(random.random(40), one), Scores(random.random(40), two)
    found = mistake_changes(label, before, after)
    wrong = [int(((each.margin >= 0) != label).sum()) for each in (before, after)]
    assert wrong[1] - wrong[0] == len(found.new) - len(found.mended)
    assert wrong[0] == found.kept + len(found.mended)
    for places, margin in ((found.new, after.margin), (found.mended, before.margin)):
        assert np.all(np.diff(np.abs(margin[places])) <= 0)


def test_the_file_counts_all_and_shows_the_worst_with_what_both_models_say(tmp_path: Path) -> None:
    pairs = 2 * SHOWN
    label = np.zeros(pairs, bool)
    ends = PairSet(np.arange(pairs), np.arange(pairs) + 1, label)
    champion = Scores(np.full(pairs, 0.25), 0.5)
    challenger = Scores(np.linspace(0.75, 1, pairs), 0.5)

    def card(place: int) -> dict[str, Any]:
        return {"id": f"p{place}"}

    changes = mistake_changes(label, champion, challenger)
    write_mistakes(changes, ends, champion, challenger, card, tmp_path)
    found = json.loads((tmp_path / FILE).read_text())
    assert (found["pairs"], found["new"], found["mended"], found["kept"]) == (pairs, pairs, 0, 0)
    assert len(found["new_pairs"]) == SHOWN
    assert found["new_pairs"][0] == {
        "left": {"id": f"p{pairs - 1}"},
        "right": {"id": f"p{pairs}"},
        "variants": False,
        "champion_margin": -0.25,
        "challenger_margin": 0.5,
    }
