"""A gate's decision with pictures, kept in a candidate's run as a retraining keeps it."""

from pathlib import Path

import numpy as np
import pandas as pd
from conftest import CANDIDATES
from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient
from PIL import Image

from flows.registry.audit_trail import IMPACT, WORDS, note_event
from flows.registry.verified_files import DECISION, FILES, digest_of, hashes_of
from ml.data.annotations import PairSet
from ml.evaluate.metric_words import Interval
from ml.pages.html import product_card
from ml.promote.decision import Check, CheckKind, Decision, MetricComparison
from ml.promote.impact import measure_impact, summary
from ml.promote.impact_page import write_impact
from ml.promote.mistake_changes import Scores, mistake_changes, write_mistakes
from ml.promote.words import in_words, moved_words

HALF: Interval = {"value": 0.752, "low": 0.695, "high": 0.811}
GAIN: Interval = {"value": 0.04, "low": 0.012, "high": 0.068}
CATALOGUE = "version 4 of the catalogue shop"
COUNTS = {"added": 120, "removed": 3, "changed": 5}


def keep_decision(
    client: MlflowClient,
    candidate: ModelVersion,
    champion: str,
    products: pd.DataFrame,
    design: np.ndarray,
    pictures: list[Path],
    folder: Path,
) -> Decision:
    """Keeps that the gate passed a candidate, with an impact and mistakes; returns the decision.

    Args:
        champion: URI of the champion.
        products: product_id, brand, gender, article_type.
        design: int (products,); groups of half a design become groups of whole ones.
        pictures: file of the picture of each product.
        folder: for files on their way.
    """
    half = pd.Series(design).groupby(design).cumcount().to_numpy() % 2
    impact = measure_impact(products, 2 * design + half, design)
    facts = {"champion": champion, "challenger": f"models:/{CANDIDATES}/{candidate.version}"}
    stated = {"catalogue": CATALOGUE, "left_out": 0, "limit": 0.3, "mode": "report", "at_once": 12}
    write_impact(
        impact, products, facts | stated, folder, lambda place: pictures[place].read_bytes()
    )
    left, right = np.triu_indices(len(products), 1)
    ends = PairSet(left, right, design[left] == design[right])
    champion_says = np.where(ends.label & (half[left] == half[right]), 0.7, 0.3)
    misled = (left + right) % 7 == 0
    challenger_says = np.where(ends.label, 0.7, np.where(misled, 0.6, 0.3))
    scores = Scores(champion_says, 0.5), Scores(challenger_says, 0.5)

    def card(place: int) -> dict[str, object]:
        picture = np.asarray(Image.open(pictures[place]).convert("RGB"))
        return product_card(products.iloc[place], picture)

    write_mistakes(mistake_changes(ends.label, *scores), ends, *scores, card, folder)
    decision = Decision(
        mode="enforce",
        checks=(
            Check(CheckKind.FLOOR, True, "at least the floor", 0.752, 0.3),
            Check(CheckKind.ABOVE, True, "above", 0.752, 0.349, "gray"),
            Check(CheckKind.PROVEN_GAIN, True, "the gain is proven", 0.007, 0.0, "block_ap"),
            Check(CheckKind.SEGMENT, True, "not provably worse", 0.02, 0.0, "gender Men"),
        ),
        metrics=(MetricComparison("block_ap", HALF, HALF, GAIN, 0.05, 0.007),),
        reuse=None,
        segments=(),
        challenger_model=facts["challenger"],
        champion_model=champion,
        policy={"impact": {"mode": "report", "largest_share": 0.3, "sample": 2000}},
        impact=summary(impact, CATALOGUE, 0),
    )
    run, hashes = str(candidate.run_id), hashes_of(client, candidate)
    client.log_artifacts(run, str(folder), "gate")
    client.log_dict(run, decision.to_json() | {FILES: hashes}, DECISION)
    changes = {name: {"counts": COUNTS} for name in ("products", "pairs")}
    client.log_dict(run, changes, "snapshot_diff/diff.json")
    client.log_text(
        run, "<h1>the report</h1><script>document.title = 'ran'</script>", "report.html"
    )
    told = {"verdict": "passed", "champion": champion, WORDS: in_words(decision)}
    told |= {FILES: digest_of(hashes)}
    assert decision.impact
    note_event(
        client, candidate, "decision", "gate", **told, **{IMPACT: moved_words(decision.impact)}
    )
    return decision
