"""What annotators agree on is learnt by the next retraining, by the commands alone."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from conftest import CANDIDATES, Clone, loosen_gate

from flows.annotations.database import VARIABLE
from ml.data.annotations import build_annotations

pytestmark = pytest.mark.full


def answered(products: pd.DataFrame, pairs: pd.DataFrame, tasks: Path, file: Path) -> None:
    """Answers Label Studio's tasks as two annotators would who know all pairs of the shop."""
    found = build_annotations(products, pairs)
    ids = products["product_id"].to_numpy()[found.indices]
    design = dict(zip(ids, found.design, strict=True))
    content = json.loads(tasks.read_text())
    for one in content:
        ends = [design.get(one["data"][f"{side}_id"], side) for side in ("left", "right")]
        choice = {"choices": ["same" if ends[0] == ends[1] else "different"]}
        result = {"from_name": "answer", "to_name": "left", "type": "choices", "value": choice}
        one["annotations"] = [
            {"completed_by": {"email": f"{who}@example.org"}, "result": [result]}
            for who in ("ada", "bo")
        ]
    file.write_text(json.dumps(content))


def test_annotated_pairs_are_learnt_by_the_next_retraining_and_are_in_its_record(
    make_clone: Callable[[], Clone], own_shop: Path, tmp_path: Path
) -> None:
    clone, source = make_clone(), ("--source", str(own_shop))
    clone.environment.pop(VARIABLE, None)
    loosen_gate(clone)
    products = pd.read_csv(own_shop / "catalog.csv", dtype=str)
    known = pd.read_csv(own_shop / "pairs.csv", dtype=str).astype({"color_variants": int})
    known[::2].to_csv(own_shop / "pairs.csv", index=False)  # the annotators are to tell the others
    (own_shop / "blocks.csv").unlink()
    clone.run("retrain", *source)
    clone.run("approve", "1", "--by", "Bo", "--comment", "fine")
    clone.run("promote")
    clone.run("group", *source)
    for mode, people in (("train", ("--annotator", "Ada", "--annotator", "Bo")), ("test", ())):
        more = ("--overlap", "1") if people else ()
        clone.run("annotate", "suggest", "--budget", "10", "--mode", mode, *people, *more)
        tasks, back = tmp_path / "tasks.json", tmp_path / "back.json"
        named = ("--batch", f"shop-{mode}-1", "--format", "label-studio", "--out", str(tasks))
        clone.run("annotate", "export", *named)
        answered(products, known, tasks, back)
        clone.run("annotate", "import", str(back))
    told = json.loads(clone.run("annotate", "status", "shop-train-1", "--json").stdout)
    assert told["answered"] == told["pairs"] > 5
    assert told["agreement"]["percent"] == 1.0
    exported = clone.run("annotate", "export", "--out", str(tmp_path / "pairs.csv")).stdout
    pairs = pd.read_csv(tmp_path / "pairs.csv", dtype=str)
    assert set(pairs["annotator"]) == {"ada@example.org, bo@example.org"}
    assert exported.startswith(f"{len(pairs)} pairs")
    said = clone.run("retrain", *source)
    assert f"{len(pairs)} annotations become annotated pairs" in said.stdout + said.stderr
    version = clone.client.get_model_version(CANDIDATES, "2")
    assert version.tags["annotations"] == str(len(pairs))
    assert version.tags["corrections"] == "0"
    assert "nothing has changed" in clone.run("retrain", *source).stdout
    without = clone.run("retrain", *source, "--annotations", "none")
    assert "models:/color-variants-candidates/1" in without.stdout  # as before anybody said a word
