"""Which catalogue both models group before a promotion, and that the store keeps what they need."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from catalogue import Shop
from conftest import ROOT, project_of
from mlflow.entities.model_registry import ModelVersion
from prefect.logging import disable_run_logger

from flows import retrain
from flows.catalogue.embeddings import Embedded
from flows.catalogue.places import store_of
from flows.gate import impact as gate_impact
from flows.gate.impact import catalogue_to_group, impact_of, moved_at_once, plain_groups
from flows.local.project import Project
from ml.catalogue.block_grouping import Grouper
from ml.catalogue.versions import Version, save
from ml.core.files import write_table
from ml.core.paths import PREPARED, SNAPSHOT
from ml.promote.impact import measure_impact
from ml.promote.policy import ImpactPolicy, load_policy

POLICY = ImpactPolicy(mode="report", largest_share=0.3, sample=100)
GROUPER = Grouper("files", "average", 0.2, np.inf, None, np.inf)  # not relative to blocks
NOTHING = pd.DataFrame()


def products(count: int, start: int = 0) -> pd.DataFrame:
    names = [f"p{number}" for number in range(start, start + count)]
    table = pd.DataFrame({"product_id": names, "sha256": [f"sha-{name}" for name in names]})
    return table.assign(brand="Acme", gender="Women", article_type="Shirts")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project whose checkout holds a prepared snapshot of six products."""
    monkeypatch.delenv("VARIANTS_STORE", raising=False)
    found = project_of(tmp_path / "project", "dvc.yaml", "params.yaml")
    write_table(found.root / PREPARED / "products.parquet", products(6))
    put(found.root / SNAPSHOT / "images", products(6))
    return found


def put(folder: Path, table: pd.DataFrame) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in table["sha256"]:
        (folder / name).touch()


def keep(project: Project, name: str, table: pd.DataFrame, created: str, number: int = 1) -> None:
    facts = {"catalogue": name, "number": number, "created": created}
    grouped = table.assign(group="g", opened=1, score=np.nan, band="leave", problem=None)
    save(store_of(project), Version(facts, grouped, NOTHING, NOTHING, NOTHING))


def chosen(project: Project) -> tuple[str, int, int]:
    found = catalogue_to_group(project, store_of(project), project.root)
    return found.words, len(found.products), found.left_out


def test_the_newest_grouped_catalogue_is_taken_and_without_its_pictures_the_own_snapshot(
    project: Project,
) -> None:
    own = ("the challenger's own snapshot", 6, 0)
    assert chosen(project) == own
    keep(project, "big", products(8), "2026-01-01T00:00:00+00:00")
    assert chosen(project) == ("version 1 of the catalogue big", 6, 2)
    keep(project, "away", products(20, start=4), "2026-01-02T00:00:00+00:00")
    assert chosen(project) == own  # two of twenty pictures are here
    put(project.room / "catalogues/5eed/snapshot/images", products(20, start=4))
    assert chosen(project) == ("version 1 of the catalogue away", 20, 0)
    keep(project, "big", products(5), "2026-01-03T00:00:00+00:00", number=2)
    assert chosen(project) == ("version 2 of the catalogue big", 5, 0)


def test_the_corrections_that_stand_are_those_of_the_catalogue(project: Project) -> None:
    store = store_of(project)
    keep(project, "big", products(6), "2026-01-01T00:00:00+00:00")
    columns = "left,right,same,by,when,why\n"
    said = ("p0,p1,0,Ada,2026-01-02,\n", "p1,p0,1,Ada,2026-01-03,\n", "p2,p3,1,Ada,2026-01-03,\n")
    store.write("catalogues/big/corrections.csv", (columns + "".join(said)).encode())
    found = catalogue_to_group(project, store, project.root).corrections
    assert found is not None
    assert found[["left", "right", "same"]].to_numpy().tolist() == [
        ["p1", "p0", True],
        ["p2", "p3", True],
    ]


def test_a_product_without_a_readable_picture_is_alone_under_both_models() -> None:
    vectors = np.tile(np.eye(4, dtype=np.float32)[0], (4, 1))
    table, problems = products(4), np.array([None, "broken", None, None], dtype=object)
    table.loc[3, "brand"] = "Other"
    found: Any = Embedded(vectors, problems, 0, GROUPER)  # type: ignore[arg-type]
    group = plain_groups(table, found)
    assert group[0] == group[2]
    assert len(set(group)) == 3


def test_both_models_group_the_same_sample_and_the_page_shows_what_differs(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, lines = [], list[str]()

    def made_up(
        project: Project, store: object, uri: str, table: pd.DataFrame, folder: Path, log: object
    ) -> Embedded:
        asked.append((uri, len(table)))
        design = np.arange(len(table)) // (2 if uri == "models:/a/1" else 3)
        vectors = np.eye(4, dtype=np.float16)[design]
        problems = np.full(len(table), None, dtype=object)
        return Embedded(vectors, problems, 0, GROUPER)  # type: ignore[arg-type]

    monkeypatch.setattr(gate_impact, "embedded", made_up)
    one, other = ModelVersion("b", "2", 0), ModelVersion("a", "1", 0)
    root, pages = project.root, tmp_path / "pages"
    found = impact_of(project, POLICY, root, one, other, pages, lines.append)
    assert found is not None
    assert asked == [("models:/a/1", 6), ("models:/b/2", 6)]
    assert (found.products, found.moved, found.kept) == (6, 2, 0)  # aabbcc → aaabbb
    assert found.at_once is None  # nothing was grouped yet
    assert (pages / "impact.html").is_file()
    few = POLICY.model_copy(update={"sample": 5})
    assert impact_of(project, few, root, one, other, pages, lines.append) is None
    assert "raise gate.impact.sample" in lines[-1]


@pytest.mark.parametrize(("margin", "moves"), [(0.0, "as anew"), (0.1, "fewer"), (1.0, "none")])
def test_the_next_grouping_moves_what_the_memory_does_not_hold(
    project: Project, margin: float, moves: str
) -> None:
    (project.root / "params.yaml").write_text(f"catalogue: {{margin: {margin}, refresh: 1.5}}\n")
    how = Grouper("champion", "average", 0.35, np.inf, None, np.inf)
    shop = Shop(0)
    version = shop.group(how=how)
    version = replace(version, facts=version.facts | {"catalogue": "shop"})
    table = version.products.drop(columns=["group", "opened", "score", "band"])
    noise = np.random.default_rng(1).normal(size=(len(table), 16))
    seen = np.stack([shop.vectors[one] for one in table["sha256"]]) + 0.12 * noise
    vectors: Any = (seen / np.linalg.norm(seen, axis=1, keepdims=True)).astype(np.float16)
    other = how._replace(files="challenger")
    found = Embedded(vectors, np.full(len(table), None, dtype=object), 0, other)
    anew = measure_impact(
        table, version.products["group"].to_numpy(), plain_groups(table, found)
    ).counts.moved
    moved = moved_at_once(project, store_of(project), version, table, found)
    assert anew > 0
    wanted = {"as anew": moved == anew, "fewer": 0 <= moved < anew, "none": moved == 0}
    assert wanted[moves], (moved, anew)


@pytest.mark.parametrize("mode", ["report", "enforce"])
def test_an_outage_of_the_store_costs_no_decision_unless_the_policy_needs_the_impact(
    project: Project, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    def away(*arguments: object) -> None:
        raise ConnectionError("the store is away")

    monkeypatch.setattr(retrain, "impact_of", away)
    monkeypatch.setattr(retrain, "run_of", lambda client, version: None)
    policy: Any = load_policy(ROOT / "mlflow/promotion.yaml")
    impact = policy.gate.impact.model_copy(update={"mode": mode})
    gate = policy.gate.model_copy(update={"impact": impact})
    policy = policy.model_copy(update={"gate": gate})
    one, other = ModelVersion("b", "2", 0), ModelVersion("a", "1", 0)
    client: Any = None
    asked = lambda: retrain.measured_impact(  # noqa: E731
        project, client, policy, project.root, one, other
    )
    with disable_run_logger():
        if mode == "report":
            assert asked() is None
        else:
            with pytest.raises(ConnectionError):
                asked()
