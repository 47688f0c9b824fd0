"""The error analysis tells right groups from wrong ones by the annotated pairs."""

import numpy as np
import pandas as pd

from ml.data.annotations import build_annotations
from ml.evaluate.error_analysis import verdicts


def test_a_group_is_right_incomplete_wrong_or_unknown_by_the_annotated_pairs() -> None:
    ids = [f"p{number}" for number in range(12)]
    table = pd.DataFrame({"product_id": ids}).assign(brand="a", gender="b", article_type="c")
    pairs = [("p0", "p1", 1), ("p2", "p3", 1), ("p3", "p4", 1), ("p5", "p6", 0), ("p8", "p9", 1)]
    columns = ["left", "right", "color_variants"]
    annotations = build_annotations(table, pd.DataFrame(pairs, columns=columns))
    groups = [np.array(one) for one in ([0, 1, 11], [2, 3], [5, 6], [7, 10])]
    # p8 and p9 are variants, and each is alone.
    assert verdicts(groups, annotations, len(table)) == ["right", "incomplete", "wrong", "unknown"]
    assert verdicts([np.array([7, 8])], annotations, len(table)) == ["incomplete"]


def test_without_annotated_pairs_nobody_knows_which_groups_are_right() -> None:
    table = pd.DataFrame({"product_id": ["p0", "p1"]})
    table = table.assign(brand="a", gender="b", article_type="c")
    none = pd.DataFrame({"left": [], "right": [], "color_variants": []}, dtype=str)
    found = verdicts([np.array([0, 1])], build_annotations(table, none), 2)
    assert found == ["unknown"]
    assert verdicts([], build_annotations(table, none), 2) == []
