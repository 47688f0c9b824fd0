"""The stages turn a snapshot into metrics, with the same bytes each time.

An interrupted training ends in the same bytes too.
"""

import html
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import ROOT, edit_table, jpeg, set_params, workplace

import ml.embed.stage
import ml.evaluate.stage
import ml.prepare.stage
import ml.train.stage
import ml.validate.stage
from benchmarks import grouping as benchmark
from ml.core.errors import UserError
from ml.core.files import read_json, read_table
from ml.data.blocks import block_numbers
from ml.evaluate.baselines import BASELINES
from ml.evaluate.metric_words import COMPLETE_METRICS
from ml.grouping.grouping import CLUSTERINGS, ClusteringName, Grouping
from ml.serve.predictor import Predictor
from ml.validate.split import split_products


def run(folder: Path, monkeypatch: pytest.MonkeyPatch, *stages: str) -> None:
    monkeypatch.chdir(folder)
    for stage in stages:
        getattr(ml, stage).stage.main()


def digests(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, shop: Path) -> Path:
    """The folder in which all stages ran once. Read only: copy it to change it."""
    folder = workplace(tmp_path_factory.mktemp("stages"), shop)
    with pytest.MonkeyPatch.context() as patch:
        run(folder, patch, "validate", "prepare", "train", "embed", "evaluate")
    return folder


def test_every_stage_runs_alone_and_again_into_the_same_bytes(
    done: Path, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = workplace(tmp_path, shop)
    run(again, monkeypatch, "validate", "prepare", "train", "embed", "evaluate")
    first, second = digests(done / "artifacts"), digests(again / "artifacts")
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


def test_an_interrupted_training_goes_on_and_ends_in_the_same_bytes(
    done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "again"
    shutil.copytree(done, folder)
    shutil.rmtree(folder / "artifacts/train")
    saved = ml.train.stage.save_checkpoint

    def stop_after(*arguments: object) -> None:
        saved(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr("ml.train.stage.save_checkpoint", stop_after)
    with pytest.raises(KeyboardInterrupt):
        run(folder, monkeypatch, "train")
    lines = (folder / "artifacts/train/history.csv").read_text().splitlines()
    assert len(lines) == 3  # header, initial weights, one epoch
    monkeypatch.setattr("ml.train.stage.save_checkpoint", saved)
    run(folder, monkeypatch, "train")
    assert digests(folder / "artifacts/train") == digests(done / "artifacts/train")


def test_a_checkpoint_of_another_training_is_not_gone_on_from(
    done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "again"
    shutil.copytree(done, folder)
    (folder / "artifacts/train/checkpoint.pt").write_bytes(b"damaged")
    run(folder, monkeypatch, "train")
    assert digests(folder / "artifacts/train") == digests(done / "artifacts/train")


def test_prepared_arrays_are_uint8_memory_maps_with_a_row_for_each_product(done: Path) -> None:
    products = read_table(done / "artifacts/prepare/products.parquet")
    images = np.load(done / "artifacts/prepare/images.npy", mmap_mode="r")
    masks = np.load(done / "artifacts/prepare/masks.npy", mmap_mode="r")
    assert isinstance(images, np.memmap)
    assert (images.shape, images.dtype) == ((len(products), 48, 48, 3), np.uint8)
    assert (masks.shape, masks.dtype) == ((len(products), 48, 48), np.uint8)
    assert (products["split"] == split_products(products, "brand")).all()
    assert read_json(done / "artifacts/validate/split.json")["by"] == "brand"
    assert set(products["split"]) == {"train", "dev", "test"}


def test_complete_blocks_are_measured_and_reported_with_every_product(done: Path) -> None:
    products = read_table(done / "artifacts/prepare/products.parquet")
    found = read_json(done / "artifacts/evaluate/metrics.json")["complete_blocks"]
    for split in ("dev", "test"):  # the generated shop assigns every product
        assert found[split]["products"] == (products["split"] == split).sum()
        assert found[split]["metrics"].keys() == COMPLETE_METRICS.keys()
        for metrics in found[split]["baselines"].values():
            assert {"group_precision", "designs_exact", "block_ap"} < metrics.keys()
            assert not {"ece", "published_pair_recall"} & metrics.keys()  # they have no scores
        values = {name: one["value"] for name, one in found[split]["metrics"].items()}
        undefined = {name for name, value in values.items() if value is None}
        assert undefined <= {"published_group_precision"}  # no group need be good enough
        assert all(0 <= values[name] <= 1 for name in values.keys() - undefined)
    report = html.unescape((done / "artifacts/evaluate/report.html").read_text(encoding="utf-8"))
    assert all(words in report for words in COMPLETE_METRICS.values())


def test_no_design_is_in_two_splits(done: Path) -> None:
    products = read_table(done / "artifacts/prepare/products.parquet").set_index("product_id")
    pairs = read_table(done / "artifacts/prepare/pairs.parquet")
    same = pairs[pairs["color_variants"] == 1]
    assert (
        products.loc[same["left"], "split"].to_numpy()
        == products.loc[same["right"], "split"].to_numpy()
    ).all()


def test_embeddings_are_one_vector_of_length_one_a_product(done: Path) -> None:
    embeddings = np.load(done / "artifacts/embed/embeddings.npy")
    assert embeddings.dtype == np.float32
    assert len(embeddings) == len(read_table(done / "artifacts/prepare/products.parquet"))
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)


def test_every_metric_has_its_interval_for_the_model_and_each_baseline(
    done: Path,
) -> None:
    metrics = read_json(done / "artifacts/evaluate/metrics.json")
    assert metrics["evaluable"] is True
    assert set(metrics["baselines"]) == set(BASELINES)
    for entry in (metrics["model"], *metrics["baselines"].values()):
        for split in ("test", "dev"):
            for name, metric in entry[split].items():
                # Resampling adds noise to every bin of the calibration error, which is a sum of
                # distances, so its interval lies higher.
                assert metric["low"] <= metric["value"] + (0.05 if name == "ece" else 1e-9), name
                assert metric["high"] >= metric["value"] - 0.2, name
    everything = metrics["mistake_kinds"]["all"]
    assert everything["variants"] >= everything["misses"] > 0
    page = (done / "artifacts/evaluate/report.html").read_text()
    assert page.count('<tr class="mistake-kind">') == len(metrics["mistake_kinds"])
    grouping = read_json(done / "artifacts/evaluate/grouping.json")
    assert grouping["threshold"] == metrics["model"]["threshold"]
    assert grouping["calibration"] == metrics["model"]["calibration"]
    assert set(grouping["baselines"]) == set(metrics["baselines"])


def predictor_of(artifacts: Path, folder: Path) -> Predictor:
    """The model of a run, in a folder of its own as it is packaged."""
    folder.mkdir(exist_ok=True)
    for name in ("train/encoder.safetensors", "train/encoder.json", "evaluate/grouping.json"):
        shutil.copy(artifacts / name, folder)
    return Predictor(folder)


def pictures_of(done: Path, products: pd.DataFrame) -> list[bytes]:
    """The files of these products' pictures."""
    return [(done / "data/snapshot/images" / name).read_bytes() for name in products["sha256"]]


def test_the_predictor_embeds_raw_pictures_as_the_stages_do(done: Path, tmp_path: Path) -> None:
    products = read_table(done / "artifacts/prepare/products.parquet")
    files = pictures_of(done, products.head(20))
    predictor = predictor_of(done / "artifacts", tmp_path)
    embedded = predictor.embed([*files, b"", None], [*products["article_type"][:20], "", ""])
    np.testing.assert_allclose(
        embedded.embeddings[:20], np.load(done / "artifacts/embed/embeddings.npy")[:20], atol=1e-5
    )
    assert [bool(problem) for problem in embedded.problems] == [False] * 20 + [True] * 2
    table = pd.concat([products.head(20), products.head(2)], ignore_index=True)
    groups = predictor.group(table, embedded)
    assert groups["group"].isna().tolist() == [False] * 20 + [True] * 2
    for group, rows in groups.dropna(subset=["group"]).groupby("group"):
        blocks = table.loc[rows.index, ["brand", "gender", "article_type"]].drop_duplicates()
        assert len(blocks) == 1, group
        assert table.loc[rows.index, "product_id"].min() == group
        assert rows["score"].isna().all() == (len(rows) == 1)
        assert rows["score"].dropna().between(0, 1).all()
        good = rows["score"].mean() >= predictor.publish
        assert set(rows["band"]) == {"leave" if len(rows) == 1 else "publish" if good else "review"}
    assert groups["band"].isna().tolist() == groups["group"].isna().tolist()


def test_placeholders_are_named_and_never_grouped_by_likeness(done: Path, tmp_path: Path) -> None:
    products = read_table(done / "artifacts/prepare/products.parquet").head(20)
    files = pictures_of(done, products)
    blank = jpeg(np.full((90, 60, 3), 250, np.uint8))
    pictures = [*[blank] * 7, *[files[0]] * 6, *files[13:20]]
    predictor = predictor_of(done / "artifacts", tmp_path)
    embedded = predictor.embed(pictures, products["article_type"])
    assert embedded.problems[:7] == ["the picture is blank"] * 7
    assert embedded.problems[7:13] == ["its picture stands for 6 products: a placeholder?"] * 6
    assert embedded.problems[13:] == [None] * 7
    block = products.assign(brand="one", gender="Men", article_type="Shirts")
    groups = predictor.group(block, embedded, 2.0)  # everything that may be grouped is one group
    assert groups["group"].isna().tolist() == [True] * 13 + [False] * 7
    assert groups["group"].nunique() == 1


def test_a_threshold_of_zero_groups_nothing_and_of_two_whole_blocks(
    done: Path, tmp_path: Path
) -> None:
    products = read_table(done / "artifacts/prepare/products.parquet").head(30)
    predictor = predictor_of(done / "artifacts", tmp_path)
    embedded = predictor.embed(pictures_of(done, products), products["article_type"])
    assert predictor.group(products, embedded, 1e-9)["group"].nunique() == 30
    blocks = products.groupby(["brand", "gender", "article_type"]).ngroups
    assert predictor.group(products, embedded, 2.0)["group"].nunique() == blocks


@pytest.mark.parametrize("clustering", [name for name in CLUSTERINGS if name != "average"])
def test_a_model_groups_by_the_clustering_that_its_threshold_was_chosen_for(
    done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clustering: ClusteringName
) -> None:
    for name in ("validate", "prepare", "embed", "train"):
        (tmp_path / "artifacts").mkdir(exist_ok=True)
        (tmp_path / "artifacts" / name).symlink_to(done / "artifacts" / name)
    shutil.copy(done / "params.yaml", tmp_path)
    set_params(tmp_path / "params.yaml", {"evaluate.grouping": clustering})
    run(tmp_path, monkeypatch, "evaluate")
    stored = read_json(tmp_path / "artifacts/evaluate/grouping.json")
    assert stored["method"] == clustering
    products = read_table(done / "artifacts/prepare/products.parquet").head(40)
    predictor = predictor_of(tmp_path / "artifacts", tmp_path / "model")
    embedded = predictor.embed(pictures_of(done, products), products["article_type"])
    found = pd.factorize(predictor.group(products, embedded)["group"])[0]
    grouping = Grouping(predictor.relative(products, embedded), block_numbers(products), clustering)
    assert (found == grouping.cut(stored["threshold"])).all()


def test_clusterings_are_compared_on_the_dev_split_of_a_finished_run(
    done: Path, tmp_path: Path
) -> None:
    folders = done / "artifacts/prepare", done / "artifacts/embed", done / "params.yaml"
    written = tmp_path / "grouping.json"
    benchmark.main(*folders, halvings=2, out=written)
    first = written.read_bytes()
    benchmark.main(*folders, halvings=2, out=written)
    assert written.read_bytes() == first
    rows = json.loads(first)["rows"]
    assert len(rows) == len(CLUSTERINGS) * 3
    for row in rows:
        assert len(row["thresholds"]) == 4
        for metric in row["metrics"].values():
            assert metric["low"] <= metric["high"]
    with pytest.raises(UserError, match=r"embeddings\.npy"):
        benchmark.main(folders[0], tmp_path, folders[2], out=written)


def test_metrics_say_so_where_the_whitening_has_seen_the_pictures_that_they_are_of(
    done: Path,
) -> None:
    split = read_json(done / "artifacts/validate/split.json")
    facts = read_json(done / "artifacts/train/encoder.json")
    assert facts["whitened_on"] == "train"
    assert read_json(done / "artifacts/evaluate/metrics.json")["split"] == split
    seen = ml.evaluate.stage.what_it_proves(split, facts | {"whitened_on": "all"})
    assert seen["proves"].startswith(split["proves"])
    assert seen["proves"].endswith(
        "whitening was fitted on their pictures too: on new ones expect less"
    )
    assert seen["by"] == split["by"]


def test_the_weights_of_the_epoch_that_is_best_on_dev_are_kept(done: Path) -> None:
    history = pd.read_csv(done / "artifacts/train/history.csv")
    assert list(history.columns) == ["epoch", "loss", "accuracy", "learning_rate", "dev_block_ap"]
    assert history["epoch"].tolist() == [0, 1, 2]  # 0: the initial weights
    best = int(history["dev_block_ap"].argmax())
    assert read_json(done / "artifacts/train/encoder.json")["epoch"] == best
    assert history["dev_block_ap"].between(0, 1).all()


def test_no_epochs_are_the_initial_weights(
    done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "again"
    shutil.copytree(done, folder)
    set_params(folder / "params.yaml", {"train.epochs": 0})
    run(folder, monkeypatch, "train", "embed")
    history, longer = (pd.read_csv(one / "artifacts/train/history.csv") for one in (folder, done))
    assert history["epoch"].tolist() == [0]
    assert history["dev_block_ap"].tolist() == longer["dev_block_ap"].tolist()[:1]
    assert read_json(folder / "artifacts/train/encoder.json")["epoch"] == 0


def test_without_pairs_a_shop_trains_and_groups_but_says_that_it_cannot_be_evaluated(
    own_shop: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (own_shop / "pairs.csv").unlink()
    folder = workplace(tmp_path / "work", own_shop)
    run(folder, monkeypatch, "validate", "prepare", "train", "embed", "evaluate")
    metrics = read_json(folder / "artifacts/evaluate/metrics.json")
    assert metrics["evaluable"] is False
    assert "cannot be evaluated" in metrics["reason"]
    assert "cannot be evaluated" in capsys.readouterr().out
    grouping = read_json(folder / "artifacts/evaluate/grouping.json")
    assert grouping["threshold"] > 0
    assert grouping["calibration"] is None  # so groups have no score, which would mean nothing
    report = (folder / "artifacts/evaluate/report.html").read_text()
    assert "cannot be evaluated" in report


def test_texts_of_the_shop_are_text_in_the_report(
    own_shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evil = "<script>alert('owned')</script><img src=x onerror=alert(1)>"
    edit_table(
        own_shop / "catalog.csv", lambda table: table.assign(title=evil, gender="<b>Men</b>")
    )
    folder = workplace(tmp_path / "work", own_shop)
    run(folder, monkeypatch, "validate", "prepare", "train", "embed", "evaluate")
    report = (folder / "artifacts/evaluate/report.html").read_text()
    assert "&lt;script&gt;alert" in report
    assert evil not in report
    assert "<b>Men</b>" not in report
    page = (folder / "artifacts/validate/contract.html").read_text()
    assert evil not in page
    assert "<b>Men</b>" not in page


def test_the_report_is_one_file_that_loads_nothing(done: Path) -> None:
    report = (done / "artifacts/evaluate/report.html").read_text()
    assert '<img src="data:image/jpeg;base64,' in report
    body = report[report.index("</script>", report.index("plotly")) :]
    for attribute in ('src="http', 'href="http', "url(http"):
        assert attribute not in body
    for words in (
        "block ap",
        "Worst false positives",
        "Worst false negatives",
        "Groups found",
        "Where products were found",
    ):
        assert words in report
    for sheet in ("boxes", "groups", "false_positives", "false_negatives"):
        assert (done / f"artifacts/evaluate/sheets/{sheet}.png").stat().st_size > 1000


@pytest.mark.parametrize("stage", ["snapshot", "validate", "prepare", "train", "embed", "evaluate"])
def test_each_stage_explains_itself(stage: str) -> None:
    command = [sys.executable, "-m", f"ml.{stage}", "--help"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0
    assert "Usage" in result.stdout
    assert "--out" in result.stdout


def test_a_stage_without_its_input_says_what_to_do_and_shows_no_traceback(tmp_path: Path) -> None:
    shutil.copy(ROOT / "params.yaml", tmp_path)
    command = [sys.executable, "-m", "ml.validate"]
    result = subprocess.run(
        command,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert result.returncode == 1
    assert result.stderr.startswith("error: there is no snapshot")
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("param", "value", "words"),
    [
        ("train.epochs", -1, "train.epochs"),
        ("train.nonsense", 1, "train.nonsense"),
        ("train.encoder.slices", "thirds", "train.encoder.slices"),
        ("train.device", "tpu", "train.device"),
    ],
)
def test_a_wrong_param_is_named_with_its_place(
    done: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    param: str,
    value: object,
    words: str,
) -> None:
    shutil.copy(done / "params.yaml", tmp_path)
    set_params(tmp_path / "params.yaml", {param: value})
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=words.replace(".", r"\.")):
        ml.train.stage.main(done / "artifacts/prepare")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_asking_for_a_gpu_where_there_is_none_is_refused_in_words(
    done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(done / "params.yaml", tmp_path)
    set_params(tmp_path / "params.yaml", {"train.device": "cuda"})
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="no GPU"):
        ml.train.stage.main(done / "artifacts/prepare")


def test_the_contract_file_lists_every_rule_in_words(done: Path) -> None:
    contract = json.loads((done / "artifacts/validate/contract.json").read_text())
    assert contract["passed"] is True
    assert len(contract["rules"]) >= 30
    assert all(
        rule["rule"] and rule["hint"] and rule["severity"] in ("critical", "warning")
        for rule in contract["rules"]
    )
    page = (done / "artifacts/validate/contract.html").read_text()
    assert "The snapshot keeps the contract" in page
    assert all(html.escape(rule["rule"], quote=False) in page for rule in contract["rules"])
