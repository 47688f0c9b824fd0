"""The model as `mlflow models serve` serves it: strict JSON, no path opened, every size bounded."""

import base64
import importlib
import io
import json
import os
import re
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from types import SimpleNamespace
from typing import Any

import mlflow
import numpy as np
import psutil
import pytest
from browser import chromium, needs_chromium
from conftest import ROOT, jpeg
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException
from PIL import Image
from servers import free_port
from tiny import tiny_encoder

from flows.local.process import program_path
from flows.local.servers import running
from flows.registry.package import copy_rooms, served_with
from ml.core.files import write_json
from ml.data.images import MAX_PIXELS
from ml.model.embedding import set_whitening
from ml.model.encoder import save_encoder
from ml.serve.limits import Limits
from ml.serve.predictor import TOO_LATE, Predictor

SIDE = 32
ROWS = 60  # the limit of these tests, so that more products are sent quickly


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small model that is packaged as a registered one is."""
    folder = tmp_path_factory.mktemp("packaged")
    (folder / "files").mkdir()
    encoder = tiny_encoder(backbone="test_resnet", slices="none")
    random = np.random.default_rng(0)
    set_whitening(encoder, random.integers(0, 256, (8, SIDE, SIDE, 3), dtype=np.uint8))
    facts = {"prepare": {"side": SIDE, "localizer": "foreground"}}
    save_encoder(encoder, facts, folder / "files")
    calibration = {"slope": 10.0, "intercept": -5.0, "annotated": 0.1, "variants": 1.0}
    grouping = {"threshold": 0.2, "method": "average", "block_prior": 20, "publish": 0.5}
    write_json(folder / "files/grouping.json", grouping | {"calibration": calibration})
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        copy_rooms(folder / "ml")
        mlflow.pyfunc.save_model(
            folder / "model", **served_with(folder / "files", folder / "ml"), pip_requirements=[]
        )
    return folder / "model"


@dataclass(frozen=True)
class Served:
    """A model that `mlflow models serve` serves.

    Attributes:
        address: of the server.
        process: the server's, which starts the one that holds the model.
        log: the server's output.
    """

    address: str
    process: psutil.Process
    log: Path

    def ask(
        self, body: bytes, content_type: str | None = "application/json"
    ) -> tuple[int, Any, str]:
        """Posts a body; returns the status, the answer as strict JSON reads it, and its text."""
        headers = {"Content-Type": content_type} if content_type else {}
        request = urllib.request.Request(f"{self.address}/invocations", body, headers)
        if content_type is None:  # urllib adds a header of its own
            request.add_unredirected_header("Content-Type", "")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                status, text = answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read().decode()
        return status, json.loads(text, parse_constant=pytest.fail), text

    def predict(self, *products: dict[str, Any], **params: Any) -> list[dict[str, Any]]:
        """The answers about products, which the server must give."""
        body = {"dataframe_records": products} | ({"params": params} if params else {})
        status, answer, text = self.ask(json.dumps(body).encode())
        assert status == 200, text
        return answer["predictions"]

    def refused(self, body: Any, content_type: str | None = "application/json") -> str:
        """The sentence with which the server refuses a request; `body` is bytes or JSON."""
        encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
        status, answer, text = self.ask(encoded, content_type)
        assert 400 <= status < 500, text
        assert "Traceback" not in text
        assert "stack_trace" not in answer
        return answer["message"]

    @property
    def holder(self) -> psutil.Process:
        """The process that holds the model."""
        processes = [self.process, *self.process.children(recursive=True)]
        return max(processes, key=lambda one: one.memory_info().rss)

    def memory(self) -> int:
        """The bytes of memory of the process that holds the model."""
        return self.holder.memory_info().rss

    def forget_peak(self) -> None:
        """Lets Linux measure the peak of that memory anew."""
        Path(f"/proc/{self.holder.pid}/clear_refs").write_text("5")

    def peak(self) -> int:
        """The most bytes of memory since `forget_peak`."""
        status = Path(f"/proc/{self.holder.pid}/status").read_text()
        return 1024 * int(re.search(r"VmHWM:\s+(\d+)", status)[1])


@pytest.fixture(scope="module")
def served(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The small model, served with a limit of `ROWS` products."""
    port, log = free_port(), tmp_path_factory.mktemp("server") / "server.log"
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", str(model)]
    command += ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)]
    config = {"request_rows": ROWS, "root": "/"}  # the root is for processes that do not serve
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {
        "MLFLOW_TRACKING_URI": f"sqlite:///{log.parent}/mlflow.db",
        "MLFLOW_PYFUNC_INFERENCE_CONFIG": json.dumps(config),
        "PATH": program_path(),
    }
    with running(command, log, environment, f"http://127.0.0.1:{port}/ping") as process:
        yield Served(f"http://127.0.0.1:{port}", psutil.Process(process.pid), log)


def photo(seed: int = 0) -> bytes:
    """A JPEG file of coloured noise."""
    random = np.random.default_rng(seed)
    return jpeg(random.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8))


def text_of(content: bytes) -> str:
    return base64.b64encode(content).decode()


def product(image: Any = None, **columns: Any) -> dict[str, Any]:
    """A product of a request; its picture is `photo()` unless another image is given."""
    image = text_of(photo()) if image is None else image
    return {"image": image, "brand": "b", "gender": "women", "article_type": "Dress"} | columns


def png(side: int, mode: str = "RGB") -> bytes:
    """A PNG file of a square in two colours, which takes few bytes."""
    picture = Image.new(mode, (side, side), 0)
    picture.paste(255 if mode in ("L", "1") else (200,) * len(mode), (0, 0, side // 2, side))
    content = io.BytesIO()
    picture.save(content, "PNG")
    return content.getvalue()


def test_what_there_is_not_is_null(served: Served) -> None:
    alone, unreadable = served.predict(product(), product("", brand="c"))
    assert alone == {"group": "0", "score": None, "band": "leave", "problem": None}
    assert unreadable["group"] is None
    assert unreadable["problem"] == "the file is empty (0 bytes)"
    twins = served.predict(product(), product(), product(text_of(photo(1)), brand="c"))
    assert twins[0]["group"] == twins[1]["group"]
    assert 0.5 < twins[0]["score"] <= 1
    assert [one["band"] for one in twins] == ["publish", "publish", "leave"]
    assert unreadable["band"] is None


@needs_chromium
def test_a_browser_reads_the_answer(served: Served) -> None:
    """JavaScript's JSON.parse, which refuses NaN, reads what there is not as null."""
    ask = """body => fetch("/invocations", {
        method: "POST", headers: {"Content-Type": "application/json"}, body
    }).then(answer => answer.json())"""
    products = [product(product_id=7), product("/etc/passwd", product_id=None)]
    with chromium() as browser:
        page = browser.new_page()
        page.goto(f"{served.address}/version")
        answer = page.evaluate(ask, json.dumps({"dataframe_records": products}))
    assert answer["predictions"] == served.predict(*products)
    assert answer["predictions"][0]["score"] is None


@pytest.mark.parametrize(
    "ids",
    [
        [1000000, 2000000],
        [1000000.0, 2.5],
        [7, None],
        [2**53 + 1, 2**70],
        ["007", "ä 😀"],
        [None, None],
        [1, "two", 3.5, None],
        [""],
    ],
    ids=str,
)
def test_a_product_id_of_any_type_is_answered_as_given(served: Served, ids: list[Any]) -> None:
    products = [
        product(text_of(photo(place)), product_id=one, brand=str(place))
        for place, one in enumerate(ids)
    ]
    found = served.predict(*products)
    assert [one["product_id"] for one in found] == ids
    assert [type(one["product_id"]) for one in found] == [type(one) for one in ids]
    groups = [one["group"] for one in found]
    assert len(set(groups)) == len(ids)  # each is alone in its block
    for one, group in zip(ids, groups, strict=True):
        whole = isinstance(one, float) and one.is_integer()
        assert group == str(int(one) if whole else one) or one is None


def test_a_missing_brand_is_a_block_as_in_a_catalogue(served: Served) -> None:
    products = [product(brand=None), product(brand="unknown"), product(brand="b")]
    groups = [one["group"] for one in served.predict(*products)]
    assert groups == ["0", "0", "2"]


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"output": "x"}, "the output 'x' is unknown: ask for groups or embeddings"),
        ({"threshold": -1}, "the threshold -1.0 is no distance"),
        ({"threshold": 2.5}, "the threshold 2.5 is no distance"),
        ({"threshold": "a"}, "params does not hold: threshold"),
        ({"limit": 0.3}, "params does not hold: limit: Extra inputs are not permitted"),
        ({"root": "/"}, "params does not hold: root: Extra inputs are not permitted"),
        ([], "params does not hold"),
    ],
    ids=str,
)
def test_params_that_are_wrong_are_refused_in_a_sentence(
    served: Served, params: Any, words: str
) -> None:
    assert words in served.refused({"dataframe_records": [product()], "params": params})


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "the request is not JSON"),
        (b"\xff\xfe\xfd", "the request is not JSON"),
        (b'{"dataframe_records": [NaN]}', "it holds NaN"),
        (b'{"dataframe_records": ' + b"[" * 500 + b"]" * 500 + b"}", "product 0 does not hold"),
        ([], "must be a JSON object"),
        ({"inputs": []}, "must be a JSON object with either"),
        ({"dataframe_records": [], "dataframe_split": {}}, "must be a JSON object with either"),
        ({"dataframe_records": {}}, "must be a list of products"),
        ({"dataframe_records": [{"image": "x"}]}, "product 0 does not hold: brand: Field required"),
        ({"dataframe_records": [product(7)]}, "image: Input should be a valid string"),
        (
            {"dataframe_records": [product(brand="\ud800")]},
            "brand: Value error, 'utf-8' codec can't",
        ),
        ({"dataframe_records": [product(product_id=[])]}, "product_id"),
        ({"dataframe_records": [product(product_id="a")] * 2}, "'a' is given twice"),
        ({"dataframe_records": [product(product_id=1), product(product_id="1")]}, "given twice"),
        (
            {"dataframe_records": [product(product_id=2**53 + 1), product(product_id=None)]},
            "give ids as texts",
        ),
        ({"dataframe_split": {"columns": ["image", "image"], "data": []}}, "a column twice"),
        ({"dataframe_split": {"columns": ["image"], "data": [[1, 2]]}}, "must hold columns"),
        ({"dataframe_split": 3}, "must hold columns"),
        ({"dataframe_records": [], "messages": []}, "unknown parts ['messages']"),
    ],
    ids=lambda one: str(one)[:40],
)
def test_a_request_that_is_wrong_is_refused_in_a_sentence(
    served: Served, body: Any, words: str
) -> None:
    assert words in served.refused(body)


@pytest.mark.parametrize("kind", ["text/csv", "application/vnd.apache.parquet", "text/plain", None])
def test_only_json_is_read(served: Served, kind: str | None) -> None:
    assert "send JSON" in served.refused(b"image,brand\n1,2", kind)


def test_both_forms_of_a_table_and_none_at_all_are_answered(served: Served) -> None:
    one = product(product_id="a")
    split = {"columns": list(one), "data": [list(one.values())]}
    status, answer, _ = served.ask(json.dumps({"dataframe_split": split, "params": None}).encode())
    assert (status, answer["predictions"]) == (200, served.predict(one))
    assert served.predict() == []
    assert served.predict(output="embeddings") == []
    embedding = served.predict(one, output="embeddings")[0]
    assert sum(value**2 for value in embedding.values()) == pytest.approx(1, abs=1e-4)


def test_a_path_is_never_opened_nor_told_from_a_missing_one(served: Served, tmp_path: Path) -> None:
    """Even where the server was started with a root."""
    (tmp_path / "private.jpg").write_bytes(photo())
    (tmp_path / "link.jpg").symlink_to(tmp_path / "private.jpg")
    os.mkfifo(tmp_path / "pipe")
    places = [tmp_path / name for name in ("private.jpg", "missing.jpg", "link.jpg", "pipe", ".")]
    places += [Path("/dev/zero"), Path("/dev/urandom"), Path("/etc/passwd"), Path("/no/passwd")]
    images = [*map(str, places), *(f"file://{one}" for one in places), "../../etc/passwd"]
    started = time.monotonic()
    found = served.predict(*(product(one) for one in images[:ROWS]))
    assert time.monotonic() - started < 10
    refused = "the image is no base64 of a picture's file, and a path is not opened here"
    # What happens to be base64 was decoded, and is no picture.
    assert {one["problem"] for one in found} <= {refused, "the file is not a picture"}
    assert found[0] == found[1]
    assert [one["group"] for one in found] == [None] * len(images)


def test_data_urls_are_read(served: Served) -> None:
    plain, url = served.predict(
        product(), product(f"data:image/jpeg;base64,{text_of(photo())}"), output="embeddings"
    )
    assert plain == url


def test_too_many_products_are_refused_in_a_sentence(served: Served) -> None:
    words = served.refused({"dataframe_records": [product("")] * (ROWS + 1)})
    assert f"has {ROWS + 1} products, over {ROWS}: ask in several requests" in words
    many = [product("", product_id=number) for number in range(10_000)]
    assert "ask in several requests" in served.refused({"dataframe_records": many})
    assert "more values than" in served.refused(b"[" * 1_000_000)
    assert "more than the limit of 64,000,000 bytes" in served.refused(b" " * 64_000_001)


def test_pictures_of_many_pixels_take_little_memory(served: Served) -> None:
    """A PNG file of 143 kB that holds 49 megapixels took 1 GB, and 32 of them a MemoryError."""
    served.predict(product(text_of(png(500))))
    before, large, larger = served.memory(), text_of(png(7000)), text_of(png(7100, "1"))
    assert 7000**2 < MAX_PIXELS < 7100**2
    served.forget_peak()
    found = served.predict(product(large), product(larger, brand="c"))
    assert found[0]["problem"] is None
    assert "its pixels are over the limit" in found[1]["problem"]
    assert served.peak() - before < 400e6


@pytest.fixture
def unserved(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The class that is served, in this process, without a model."""
    monkeypatch.syspath_prepend(ROOT / "mlflow")
    found = importlib.import_module("serving").ColorVariants()
    found.limits, found.turn = Limits(request_seconds=0.01), Lock()
    return found


BODY = json.dumps({"dataframe_records": []}).encode()


def test_a_request_that_waited_too_long_is_refused_with_429(unserved: Any) -> None:
    with unserved.turn, pytest.raises(MlflowException, match="busy") as refusal:
        unserved.answer(BODY, "application/json", None, None)
    assert refusal.value.get_http_status_code() == 429


def test_a_failure_of_the_server_shows_nothing_of_it(
    unserved: Any, caplog: pytest.LogCaptureFixture
) -> None:
    model = SimpleNamespace(predict=lambda table, params: 1 / 0)
    with pytest.raises(MlflowException) as failure:
        unserved.answer(BODY, "application/json", model, None)
    assert failure.value.get_http_status_code() == 500
    shown = failure.value.serialize_as_json()
    assert "its log says why" in shown
    assert "division" not in shown
    assert "division by zero" in caplog.text
    assert unserved.turn.acquire(blocking=False)  # the next request has its turn


def test_pictures_after_the_time_limit_are_left_out_and_say_so(model: Path) -> None:
    predictor = Predictor(model.parent / "files")
    embedded = predictor.embed([photo(), b""], ["Dress"] * 2, until=time.monotonic() - 1)
    assert embedded.problems == [TOO_LATE] * 2
    assert not embedded.embeddings.any()


def bodies() -> st.SearchStrategy[bytes]:
    """Requests: some right, most damaged somewhere, and bytes of any kind."""
    scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    values = st.recursive(
        scalars,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.text(max_size=8), inner, min_size=1, max_size=3)
        ),
        max_leaves=8,
    )
    content = photo()
    files = st.builds(
        lambda start, end, extra: content[:start] + extra + content[end:],
        st.integers(0, len(content)),
        st.integers(0, len(content)),
        st.binary(max_size=20),
    ) | st.sampled_from([content, photo(1), png(40), png(40, "RGBA"), b"", b"<svg>"])
    images = files.map(text_of) | st.sampled_from(["/etc/passwd", "/dev/zero", "../x.jpg"]) | values
    names = st.sampled_from(["a", "b", "", "ä", "unknown"]) | values
    products = st.fixed_dictionaries(
        {"image": images, "brand": names, "gender": names, "article_type": names},
        optional={"product_id": scalars | values, "title": values},
    )
    right = files.map(text_of).map(product)
    tables = st.lists(right | products, max_size=6)
    params = st.fixed_dictionaries(
        {},
        optional={
            "output": st.sampled_from(["groups", "embeddings", "x"]) | values,
            "threshold": st.floats(0, 2) | values,
            "root": values,
        },
    )
    records = st.fixed_dictionaries(
        {"dataframe_records": tables | st.lists(right, max_size=6) | values},
        optional={"params": params | values},
    )
    columns = st.permutations(["image", "brand", "gender", "article_type", "product_id"])
    split = st.fixed_dictionaries(
        {"columns": columns | values, "data": st.lists(st.lists(images, max_size=6), max_size=4)}
    )
    forms = records | st.fixed_dictionaries({"dataframe_split": split | values}) | values
    return forms.map(lambda one: json.dumps(one).encode()) | st.binary(max_size=200)


def fuzz(served: Served, count: int) -> None:
    """Sends so many requests; each is answered or refused in strict JSON without a stack trace."""
    kinds = st.sampled_from(["application/json"] * 20 + ["text/csv", "", "application/x-parquet"])

    @settings(
        max_examples=count, deadline=None, database=None, derandomize=True, phases=[Phase.generate]
    )
    @given(bodies(), kinds)
    def answered(body: bytes, kind: str) -> None:
        status, answer, text = served.ask(body, kind)
        assert status in (200, 400), text
        assert ("predictions" in answer) == (status == 200)
        assert "Traceback" not in text
        assert "stack_trace" not in answer

    answered()


def test_a_hundred_requests_are_answered_or_refused(served: Served) -> None:
    fuzz(served, 100)
    assert "Traceback" not in served.log.read_text()


@pytest.mark.full
def test_five_thousand_requests_are_answered_or_refused(served: Served) -> None:
    """No status of 5xx, no stack trace, and no growth of memory once the server is warm."""
    fuzz(served, 1000)
    before = served.memory()
    fuzz(served, 4000)
    assert served.memory() - before < 20e6
    assert "Traceback" not in served.log.read_text()


@pytest.mark.full
def test_many_large_pictures_are_no_memory_error(served: Served) -> None:
    """32 pictures of 49 megapixels in one request, of which the limit of seconds lets some in."""
    before, large = served.memory(), text_of(png(7000))
    served.forget_peak()
    found = served.predict(*(product(large, brand=str(number)) for number in range(32)))
    assert {one["problem"] for one in found} <= {
        None,
        TOO_LATE,
        "its picture stands for 32 products: a placeholder?",
    }
    assert served.peak() - before < 600e6
