"""Every template is rendered with complete content, and refuses a name that it is not given."""

import io
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import ROOT
from mlflow.entities.model_registry import ModelVersion, ModelVersionTag
from PIL import Image

from flows.registry.report_header import header
from flows.registry.run_record import CARD, model_card
from ml.catalogue.groups_page import Looks, write_groups
from ml.core.paths import PREPARED
from ml.data.annotations import build_annotations
from ml.evaluate.baselines import BASELINES
from ml.evaluate.error_analysis import ErrorAnalysis, Mistake
from ml.evaluate.metric_words import METRICS
from ml.evaluate.report import HEADER_PLACE, RULES, write_report
from ml.promote.decision import Check, CheckKind, Decision, MetricComparison
from ml.promote.impact import measure_impact
from ml.promote.impact_page import write_impact
from ml.snapshot.diff_page import Side, write_diff
from ml.validate.contract_page import write_contract_page
from ml.validate.split import PROVES

SIDE = 8  # pixels of a crop
REASON = "the test split needs annotated pairs"
TAGS = {"commit": "c0ffee", "snapshot": "5eed", "recipe": "0123456789abcdef" * 4}
MISSING = "{{ surely_missing }}"
LISTED = subprocess.run(
    ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.j2"],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=True,
)
TEMPLATES = [
    name
    for name in LISTED.stdout.splitlines()
    # The desk's pages are rendered by its own tests, all by one function (test_desk.py).
    if (ROOT / name).is_file() and not name.startswith("flows/desk/")
]


def metric(value: float, interval: bool = True) -> dict[str, float | None]:
    low, high = (value - 0.1, value + 0.1) if interval else (None, None)
    return {"value": value, "low": low, "high": high}


def measured(value: float) -> dict[str, Any]:
    """What metrics.json holds of the model or of a baseline; one interval is undefined."""
    found = {name: metric(value, name != "nmi") for name in [*METRICS, "ece"]}
    calibration = {"slope": 10.0, "intercept": -5.0, "annotated": 0.1, "variants": 1.0}
    publish = {"score": 0.9, "precision": 0.95, "recall": 0.4, "groups": 3, "of": 7}
    chosen = {"threshold": 0.25, "calibration": calibration, "publish": publish}
    return chosen | {"test": found, "dev": found}


def metrics_json(evaluable: bool, grouping: str = "complete") -> dict[str, Any]:
    split = {"by": "brand", "proves": PROVES["brand"], "products": {"test": 4}}
    content: dict[str, Any] = {"evaluable": evaluable, "split": split, "grouping": grouping}
    if not evaluable:
        model = {"threshold": 0.2, "calibration": None, "publish": None}
        return content | {"reason": REASON, "model": model, "baselines": {}}
    baselines = {name: measured(0.4) for name in BASELINES}
    counts = {"other_designs": 1, "false_positives": 1, "variants": 2, "misses": 0}  # a good model
    content["mistake_kinds"] = {"all": counts, "swapped tones": counts | {"variants": 1}}
    return content | {"reason": None, "model": measured(0.6), "baselines": baselines}


def products(count: int = 4) -> pd.DataFrame:
    ids = [f"p{index}" for index in range(count)]
    table = pd.DataFrame({"product_id": ids, "title": [f"Tee <{one}>" for one in ids]})
    return table.assign(brand="Acme", gender="Women", article_type="Shirts")


def render_card(root: Path, evaluable: bool = True, dirty: bool = False) -> str:
    """The model card of a made-up checkout."""
    (root / CARD).parent.mkdir()
    (root / PREPARED).mkdir(parents=True)
    for name in ("params.yaml", "dvc.yaml", CARD):
        shutil.copy(ROOT / name, root / name)
    products().to_parquet(root / PREPARED / "products.parquet")
    tags = TAGS | {"dirty": str(dirty).lower()}
    return model_card(root, "color-variants", metrics_json(evaluable), tags)


def render_report(folder: Path, evaluable: bool = True, grouping: str = "complete") -> str:
    table = products()
    pictures = np.full((len(table), SIDE, SIDE, 3), 128, np.uint8)
    pairs = pd.DataFrame(
        {"left": ["p0", "p2", "p0"], "right": ["p1", "p3", "p2"], "color_variants": [1, 1, 0]}
    )
    annotations = build_annotations(table, pairs if evaluable else pairs[:0])
    similarity = np.linspace(0.2, 0.9, len(annotations.block_pairs))
    curves = pd.DataFrame({"embedding": ["model"] * 2, "recall": [0.0, 1], "precision": [1.0, 0.5]})
    errors = ErrorAnalysis(
        groups=[np.array([0, 1]), np.array([2, 3])],
        verdicts=["right", "incomplete"],
        false_positives=[Mistake(0, 2, 0.9, True)],
        false_negatives=[Mistake(0, 1, 0.8, False)],
    )
    Image.new("RGB", (SIDE, SIDE)).save(folder / "boxes.png")
    write_report(
        folder / "report.html",
        metrics_json(evaluable, grouping),
        curves if evaluable else curves[:0],
        table,
        pictures,
        annotations,
        similarity,
        errors,
        folder / "boxes.png",
        [("gender <Men>", 7, metric(0.7))] if evaluable else [],
        pd.DataFrame({"epoch": [0, 1], "loss": [np.nan, 2.5], "dev_block_ap": [0.5, np.nan]}),
    )
    return (folder / "report.html").read_text(encoding="utf-8")


def test_products_without_a_group_are_no_group_however_many_they_are(tmp_path: Path) -> None:
    """As first groups leave products whose pictures cannot be read."""
    table = products(4).assign(
        group=["g", "g", None, None], score=np.nan, band=["review"] * 2 + [None] * 2,
        problem=[None, None, "there is no picture", "the file is empty"], sha256=None,
    )  # fmt: skip
    looks = Looks(np.full((4, 3), np.nan), lambda digests: [])
    counts = write_groups(table, "untrained", tmp_path, looks)
    assert (counts["groups"], counts["grouped"], counts["unreadable"]) == (1, 2, 2)
    page = (tmp_path / "groups.html").read_text(encoding="utf-8")
    assert page.count('"band":') == 1


def render_groups(folder: Path) -> str:
    """The page of a catalogue with three groups of two, and one product without a picture."""
    table = products(7).assign(
        group=["g0", "g0", "g1", "g1", "g2", "g2", "g3"],
        score=[0.9] * 6 + [np.nan],
        band=["publish"] * 2 + ["review"] * 4 + ["leave"],
        problem=[None] * 6 + ["there is no picture"],
        sha256=["a" * 64] * 6 + [None],
        base_colour=["Blue"] * 2 + [None] * 5,
    )
    colours = np.array([[200.0, 20, 30]] * 6 + [[np.nan] * 3])
    picture = io.BytesIO()
    Image.new("RGB", (SIDE, SIDE), "red").save(picture, "JPEG")
    looks = Looks(colours, lambda digests: [(one, picture.getvalue()) for one in digests])
    write_groups(table, "models:/color-variants/3", folder, looks)
    return (folder / "groups.html").read_text(encoding="utf-8")


def render_diff(folder: Path) -> str:
    """The page of two snapshots: a product gone, one new, one with another title and picture."""
    earlier = products(4).assign(image="a.png", sha256=[f"sha {number}" for number in range(4)])
    later = products(5).assign(image="a.png", sha256=[f"sha {number}" for number in range(5)])
    later.loc[1, ["title", "sha256"]] = ["Polo", "sha 9"]
    pairs = pd.DataFrame({"left": ["p1"], "right": ["p2"], "color_variants": [1]})
    content = io.BytesIO()
    Image.new("RGB", (SIDE, SIDE), "red").save(content, "PNG")

    def side(name: str, catalog: pd.DataFrame, labels: pd.DataFrame | None) -> Side:
        tables = {"catalog": catalog, "pairs": labels, "pictures": None}
        return Side(name, tables, lambda digest: content.getvalue())

    write_diff(side("the first", earlier, None), side("the second", later[1:], pairs), folder)
    return (folder / "diff.html").read_text(encoding="utf-8")


def render_impact(folder: Path, mode: str = "report") -> str:
    """The page of a promotion that merges two groups, splits one, and violates a correction."""
    table = products(9)
    before, after = (np.array([*letters]) for letters in ("aabbcccde", "aaaabcdde"))
    said = pd.DataFrame({"left": ["p0"], "right": ["p2"], "same": [0]})
    picture = io.BytesIO()
    Image.new("RGB", (SIDE, SIDE), "red").save(picture, "PNG")
    facts: dict[str, Any] = {
        "champion": "models:/a/1",
        "challenger": "models:/b/2",
        "catalogue": "version 4 <x>",
    }
    facts |= {"left_out": 12, "limit": 0.3, "mode": mode, "at_once": 1}
    impact = measure_impact(table, before, after, said)
    write_impact(impact, table, facts, folder, lambda place: picture.getvalue() if place else None)
    return (folder / "impact.html").read_text(encoding="utf-8")


def render_contract(folder: Path, broken: str = "critical") -> str:
    """The page of a contract with a rule of products that is broken, and one that holds."""
    catalog = products(3).assign(image="a.png", sha256=["picture", "gone", None])
    Image.new("RGB", (SIDE, SIDE), "red").save(folder / "picture", "PNG")
    pictures = catalog[["product_id", "image"]].assign(
        usable=[True, False, False], reason=[None, "the file is <missing>", "the picture is blank"]
    )
    rule = {"table": "products", "rule": "ids are ids", "hint": "mend <them>", "rows": 3}
    found = {"observed": None, "failing": 2, "success": False, "severity": broken}
    examples = {"examples": ["p0 <b>", "p9"], "products": [["p0"], ["p9", "p1"]]}
    holds = found | {"success": True, "examples": [], "products": [], "failing": 0}
    table = rule | holds | {"rule": "there are products", "failing": None}
    contract = {"passed": broken != "critical", "products": 3, "pairs": 0}
    contract |= {"rules": [rule | found | examples, table]}
    write_contract_page(folder / "contract.html", contract, catalog, pictures, folder)
    return (folder / "contract.html").read_text(encoding="utf-8")


def decision(verdict: str = "refused", champion: bool = True) -> Decision:
    """A decision of the gate, with or without a champion to compare with."""
    passed = verdict == "passed"
    check = Check(CheckKind.ABOVE, passed, "above the baseline", -0.0071, 0.02, "<b>")
    compared = (metric(0.7, interval=False), metric(-0.0001)) if champion else ()
    return Decision(
        mode="enforce",
        checks=(check,),
        metrics=(MetricComparison("block_ap", metric(0.6), *compared),),
        reuse=None,
        segments=(),
        challenger_model="models:/color-variants-candidates/3",
        champion_model="models:/color-variants/2" if champion else None,
        policy={},
    )


def render_header(folder: Path, verdict: str = "refused", champion: bool = True) -> str:
    """The header of the report of a version that the gate has decided about."""
    version = ModelVersion(
        "color-variants-candidates",
        "3",
        1764000000000,
        run_id="4bf1",
        tags=[ModelVersionTag("commit", "c0ffee"), ModelVersionTag("author", "<Ada>")],
    )
    return header(ROOT, version, decision(verdict, champion))


RENDERERS: dict[str, Callable[[Path], str]] = {  # file name of a template → what renders it
    "model_card.md.j2": render_card,
    "page.html.j2": render_report,
    "cards.html.j2": render_report,
    "report.html.j2": render_report,
    "groups.html.j2": render_groups,
    "contract.html.j2": render_contract,
    "report_header.html.j2": render_header,
    "snapshot_diff.html.j2": render_diff,
    "impact.html.j2": render_impact,
}


def shown(page: str) -> str:
    """What a reader sees of an HTML page, and the values of its attributes."""
    page = re.sub(r"<(script|style)\b.*?</\1>", "", page, flags=re.DOTALL)
    return " ".join(page.split())


def undefined_in(text: str) -> list[str]:
    return re.findall(r"\b(?:None|nan|NaN|Undefined)\b", text)


def test_every_template_of_the_project_is_rendered_here() -> None:
    names = [Path(name).name for name in TEMPLATES]
    assert sorted(names) == sorted(RENDERERS), "add a new template to RENDERERS"


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_that_asks_for_a_name_that_is_not_there_fails(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The code that renders a template gets its text with one name more, in its own environment."""
    text = (ROOT / name).read_text(encoding="utf-8")
    # Of a template that extends another, only what is in a block is rendered.
    extends, end = "{% extends" in text, "{% endblock %}"
    more = f"{MISSING}{end}".join(text.rsplit(end, 1)) if extends else f"{text}\n{MISSING}"
    assert more.count(MISSING) == 1
    compiled = jinja2.Environment.compile

    def compile_more(self: jinja2.Environment, source: str, *args: Any, **options: Any) -> Any:
        return compiled(self, more if source.strip() == text.strip() else source, *args, **options)

    monkeypatch.setattr(jinja2.Environment, "compile", compile_more)
    with pytest.raises(jinja2.UndefinedError, match="surely_missing"):
        RENDERERS[Path(name).name](tmp_path)


@pytest.mark.parametrize("evaluable", [True, False])
@pytest.mark.parametrize("dirty", [True, False])
def test_a_model_card_has_every_value(tmp_path: Path, evaluable: bool, dirty: bool) -> None:
    card = render_card(tmp_path, evaluable, dirty)
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    assert f"{params['prepare']['side']} px" in card
    assert params["train"]["method"] in card
    for value in (*TAGS.values(), "models:/color-variants@champion", "4 products"):
        assert value[:16] in card
    assert ("uncommitted" in card) == dirty
    assert (REASON in card) != evaluable
    # Two blanks, an empty value before a sign or between two, or a blank at the end of a line.
    assert re.findall(r"\S  +\S|[ (][.,;)]|\( *\)|``|\| *\|| $", card, flags=re.MULTILINE) == []
    assert undefined_in(card) == []
    # MLflow's page shows line ends, so a paragraph has none; and a table needs its lines.
    kinds = ["|" if one.startswith("|") else "" for one in card.split("\n\n")]
    assert kinds.count("|") == evaluable
    assert all("\n" not in one.strip() for one in card.split("\n\n") if not one.startswith("|"))
    rows = [line for line in card.splitlines() if line.startswith("|")]
    assert len(rows) == (2 + len(METRICS) + 1 if evaluable else 0)  # the error of scores too
    assert {row.count("|") for row in rows} <= {3 + len(BASELINES)}


@pytest.mark.parametrize("evaluable", [True, False])
def test_a_report_has_every_value(tmp_path: Path, evaluable: bool) -> None:
    page = shown(render_report(tmp_path, evaluable))
    assert undefined_in(page) == []
    assert not re.search(r'(?:alt|title|src)=""', page)
    assert (REASON in page) != evaluable
    assert ("Metrics on the test split" in page) == evaluable
    assert ("the threshold chosen on the dev split" in page) == evaluable
    assert page.count("0.600<small>0.50 – 0.70</small>") == (
        2 * (len(METRICS) - 1) if evaluable else 0
    )
    without = 2 * (1 + len(BASELINES)) if evaluable else 0  # no interval, no dash
    assert page.count("<small></small>") == without
    assert page.count("on the wrong side of the threshold") == 1
    assert "Tee &lt;p0&gt;" in page
    assert page.count('<span class="right">right</span>') == 1
    assert ("<td>1 (50 %)</td>" in page) == ("<td>0 (0 %)</td>" in page) == evaluable
    assert "1 are right, 1 incomplete and 0 wrong; of 0 nobody annotated a pair" in page
    assert all(f"<dd>{words}</dd>" in page for words in METRICS.values())
    row = "<td>gender &lt;Men&gt;</td><td>7</td><td>0.700<small>0.60 – 0.80</small>"
    assert (row in page) == evaluable
    assert f"4 {PROVES['brand']}. Products are grouped" in page


@pytest.mark.parametrize("grouping", RULES)
def test_a_report_states_the_rule_of_each_clustering(tmp_path: Path, grouping: str) -> None:
    rule = RULES[grouping]
    assert f"{rule} 0.750, the threshold" in shown(render_report(tmp_path, grouping=grouping))


def test_a_page_of_groups_has_every_value(tmp_path: Path) -> None:
    page = shown(render_groups(tmp_path))
    assert undefined_in(page) == []
    assert not re.search(r'(?:alt|title|src)=""', page)
    assert "found by models:/color-variants/3: 1 to publish, 2 to review." in " ".join(page.split())
    assert "there is no picture" in page


def test_a_page_of_a_difference_has_every_value(tmp_path: Path) -> None:
    page = shown(render_diff(tmp_path))
    assert undefined_in(page) == []
    assert not re.search(r'(?:alt|title|src)=""', page)
    assert "From the first to the second." in page
    for words in ("Products added", "Products removed", "Products changed", "Pairs", "Polo"):
        assert words in page
    assert "Tee &lt;p0&gt;" in page


@pytest.mark.parametrize("mode", ["report", "enforce"])
def test_the_page_of_an_impact_tells_numbers_corrections_and_changes(
    tmp_path: Path, mode: str
) -> None:
    page = shown(render_impact(tmp_path, mode))
    for words in (
        "44.4 % of the products would move",
        "12 products of it are not counted here",
        "Corrections that only the challenger would violate: 1",
        "no variants",
        "more refuses a promotion" if mode == "enforce" else "it refuses nothing",
        "2 of 4 products",
    ):
        assert words in page


@pytest.mark.parametrize("severity", ["critical", "warning"])
def test_a_page_of_a_contract_says_what_is_broken_and_what_to_do(
    tmp_path: Path, severity: str
) -> None:
    page = shown(render_contract(tmp_path, severity))
    assert undefined_in(page) == []
    critical = severity == "critical"
    assert f"{'Refused' if critical else 'Warning'}: not so: ids are ids" in page
    assert ("The snapshot breaks the contract" in page) == critical
    assert "products: 2 of 3 rows. <b>What to do:</b> mend &lt;them&gt;." in page
    assert "p0 &lt;b&gt;" in page
    assert page.count("<img") == 1  # of the one product whose picture can be shown
    assert "the file is &lt;missing&gt;" in page
    assert "<td>products</td><td>there are products</td>" in page


@pytest.mark.parametrize("verdict", ["passed", "refused"])
@pytest.mark.parametrize("champion", [True, False])
def test_the_header_of_a_report_names_model_verdict_and_champion(
    tmp_path: Path, verdict: str, champion: bool
) -> None:
    page = shown(render_header(tmp_path, verdict, champion)).replace("> <", "><")
    assert undefined_in(page) == []
    assert f"The gate {verdict} this model" in page
    refusal = "<li>Not above the baseline &lt;b&gt;: block_ap is −0.007; at least 0.020 would"
    assert (refusal in page) == (verdict == "refused")
    assert "<td>this model</td><td>0.600 (0.500 to 0.700)</td>" in page
    assert ("<td>the champion, models:/color-variants/2</td><td>0.700</td>" in page) == champion
    assert ("<td>gain</td><td>0.000 (−0.100 to 0.100)</td>" in page) == champion
    for name, words in (("model", "models:/color-variants-candidates/3"), ("commit", "c0ffee")):
        assert f"<dt>{name}</dt><dd>{words}</dd>" in page
    assert "<dt>author</dt><dd>&lt;Ada&gt;</dd>" in page
    assert "snapshot" not in page  # what is not known is left out


def test_the_header_goes_into_its_place_in_the_report(tmp_path: Path) -> None:
    report = render_report(tmp_path)
    assert report.count(HEADER_PLACE) == 1
    assert report.index("<h1>") < report.index(HEADER_PLACE) < report.index("Metrics on the test")
