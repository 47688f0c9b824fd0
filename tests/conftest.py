"""Fixtures and helpers of the tests: small shops, and clones of this project for the flows."""

import io
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from mlflow.tracking import MlflowClient
from PIL import Image

from benchmarks.reliability import record
from flows.local import snapshots, tracked_import
from flows.local.git import author, git
from flows.local.project import Project
from ml.snapshot.stage import import_shop
from ml.synthetic import generate_shop

ROOT = Path(__file__).parents[1]
# The PATH of an activated environment.
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
CANDIDATES, PRODUCTION = "color-variants-candidates", "color-variants"  # the registered models
LONGEST = [
    "test_lifecycle",
    "test_pages",
    "test_refusals",
    "test_checkout",
    "test_reproduce",
    "test_methods",
]
# A test is slow if its file imports one of these packages or runs stages in a `workplace`, or if it
# needs one of these fixtures, which make clones, train or need a detector.
SLOW_FILE = re.compile(
    r"^(?:from|import) (?:browser|mlflow|playwright|prefect)\b|\bworkplace\(", re.MULTILINE
)
SLOW_FIXTURES = {"make_clone", "prepared", "weights"}
VARIANTS = (sys.executable, "-m", "flows.cli")  # the command `variants`
LONG_AGO = time.time() - 1000  # an import trusts a file that has not just changed
SMALL = {  # params for a training of seconds
    "prepare.side": 48,
    "train.epochs": 2,
    "train.batch": 32,
    "train.threads": 1,  # two test processes share two cores
    "train.encoder.backbone": "mobilenetv3_small_050",
    "train.encoder.weights": "random",
    "train.encoder.frozen_batchnorm": False,
    "train.encoder.mirror": False,
    "evaluate.resamples": 100,
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds `--record`, with which the tests of faults write their counts to benchmarks/reliability.

    docs/reliability.md is made from these files. Other tests do not run then.
    """
    parser.addoption("--record", action="store_true", help="keep the counts of the tests of faults")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks slow tests, and sorts the longest files to the front.

    `make test-fast` leaves the slow ones out. Sorted so, two workers end at about the same time.
    """
    if config.getoption("--record"):
        others = [item for item in items if "keep" not in getattr(item, "fixturenames", ())]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item not in others]
    slow = {path for path in {item.path for item in items} if SLOW_FILE.search(path.read_text())}
    for item in items:
        if item.path in slow or SLOW_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker("slow")
    items.sort(
        key=lambda item: (
            LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST)
        )
    )


@pytest.fixture(scope="module", autouse=True)
def torch_settings() -> Iterator[None]:
    """Restores torch's settings after each file, since a stage sets them for its whole process."""
    torch = sys.modules.get("torch")  # a file that does not import torch need not load it
    if torch is None:
        yield
        return
    threads, exact = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(exact)


@pytest.fixture(scope="module", autouse=True)
def mlflow_settings() -> Iterator[None]:
    """MLflow puts the registry's address into the environment, where the next file finds it."""

    def settings() -> dict[str, str]:
        return {name: value for name, value in os.environ.items() if name.startswith("MLFLOW_")}

    before = settings()
    yield
    for name in settings():
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated shop of 120 products. Read only: copy it to change it."""
    folder = tmp_path_factory.mktemp("shop") / "shop"
    generate_shop(folder, 120, seed=0)
    return folder


@pytest.fixture
def own_shop(shop: Path, tmp_path: Path) -> Path:
    """A copy of the shop that a test may spoil."""
    shutil.copytree(shop, tmp_path / "shop")
    return tmp_path / "shop"


def project_of(root: Path, *names: str) -> Project:
    """Makes a git clone with copies of some files of this project, in one commit."""
    git(root.parent, "init", "--quiet", str(root))
    for name in names:
        (root / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "-m", "a project", variables=author(root))
    return Project(root)


@pytest.fixture
def empty_project(tmp_path: Path) -> Project:
    """A git clone with nothing in it but what makes it a project: worktrees of it take no time."""
    root = tmp_path / "project"
    git(tmp_path, "init", "--quiet", str(root))
    for name, text in (
        ("dvc.yaml", "stages: {}"),
        ("params.yaml", "{}"),
        (".gitignore", ".variants\nconfig.local\nartifacts\n"),
    ):
        (root / name).write_text(text)
    (root / ".dvc").mkdir()
    (root / ".dvc/config").touch()
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "-m", "a project", variables=author(root))
    return Project(root)


Keep = Callable[..., None]


@pytest.fixture
def keep(request: pytest.FixtureRequest) -> Keep:
    """A function that records a row for docs/reliability.md if `--record` is given."""
    started = time.monotonic()

    def note(
        name: str, fault: str, how: str, times: dict[str, int], wrong: list[str], after: str
    ) -> None:
        if request.config.getoption("--record"):
            record(name, fault, how, times, wrong, after, time.monotonic() - started)

    return note


@pytest.fixture
def growing(tmp_path: Path) -> Path:
    """A shop of six products whose pictures are a while old."""
    random = np.random.default_rng(0)
    (tmp_path / "shop/images").mkdir(parents=True)
    for number in range(6):
        picture = random.integers(0, 255, (16, 16, 3), dtype=np.uint8)
        put(tmp_path / f"shop/images/{number}.jpg", jpeg(picture))
    rows = [(f"p{n}", f"images/{n}.jpg", f"b{n % 2}", "women", "Dress") for n in range(6)]
    columns = ["product_id", "image", "brand", "gender", "article_type"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "shop/catalog.csv", index=False)
    return tmp_path / "shop"


@pytest.fixture
def tracked(empty_project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """An empty project in which DVC can work; imports into it run in this process."""
    (empty_project.root / ".dvc/.gitignore").write_text("/cache\n/tmp\n/config.local\n")
    (empty_project.root / ".gitignore").write_text(".variants\n/data/snapshot/\n")
    monkeypatch.chdir(empty_project.root)

    def run(root: Path, module: str, arguments: list[str], log: object) -> None:
        assert (root, module, arguments[0]) == (
            empty_project.root,
            "flows.local.tracked_import",
            "--room",
        )
        tracked_import.main(arguments[-1], Path(arguments[1]), "--verify" in arguments)

    monkeypatch.setattr(snapshots, "run_module", run)
    return empty_project


class Clone:
    """A clone of the project, and the command `variants` in it.

    Attributes:
        root: top folder of the clone.
        environment: the environment variables of its commands. Settings of Prefect and MLflow are
            left out, so that commands use the embedded stores of the clone unless a test adds the
            address of a server.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PREFECT_", "MLFLOW_"))
        }
        self.environment |= {"PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1", "PATH": PATH}

    def copy(self, root: Path) -> "Clone":
        """Copies the clone to a new folder, so that a test may change the copy.

        The copy has its own git repository, DVC cache and registry. The registry holds absolute
        paths of the clone's folder, which are replaced by those of the copy.
        """
        shutil.copytree(self.root, root, symlinks=True)
        with closing(sqlite3.connect(root / ".variants/mlflow.db")) as registry, registry:
            columns = registry.execute(
                "select t.name, c.name from sqlite_master t, pragma_table_info(t.name) c"
                " where t.type = 'table'"
            ).fetchall()
            for table, column in columns:
                registry.execute(
                    f'update "{table}" set "{column}" = replace("{column}", :old, :new)'
                    f' where instr("{column}", :old)',
                    {"old": f"{self.root}/", "new": f"{root}/"},
                )
        copied = Clone(root)
        copied.environment = self.environment | {"PYTHONPATH": str(root)}
        return copied

    def run(
        self, *arguments: str, check: bool = True, timeout: float = 600
    ) -> subprocess.CompletedProcess[str]:
        """Runs `variants ARGUMENTS` with the clone's own code; see `command`."""
        return self.command(*VARIANTS, *arguments, check=check, timeout=timeout)

    def python(
        self, *arguments: str, check: bool = True, timeout: float = 600
    ) -> subprocess.CompletedProcess[str]:
        """Runs this interpreter in the clone; see `command`."""
        return self.command(sys.executable, *arguments, check=check, timeout=timeout)

    def command(
        self, *command: str, check: bool = True, timeout: float = 600
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command in the clone and captures its output as text.

        Args:
            command: the argument vector.
            check: whether an exit code other than 0 fails the test.
            timeout: seconds until the command is killed.

        Raises:
            AssertionError: `check` is true and the command failed; its output is in the message.
            subprocess.TimeoutExpired: the command took longer than the timeout.
        """
        result = subprocess.run(
            command,
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check and result.returncode:
            raise AssertionError(
                f"{' '.join(command)} exited with {result.returncode}:\n"
                f"{result.stdout}\n{result.stderr}"
            )
        return result

    def start(self, log: Path, *command: str) -> subprocess.Popen[bytes]:
        """Starts a command in the clone, in a session of its own; `log` gets what it prints."""
        with log.open("wb") as output:
            return subprocess.Popen(
                command,
                cwd=self.root,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def git(self, *arguments: str) -> str:
        """Runs `git ARGUMENTS` in the clone and returns what it prints, without the last newline.

        Raises:
            subprocess.CalledProcessError: git failed.
        """
        return subprocess.run(
            ["git", *arguments], cwd=self.root, capture_output=True, text=True, check=True
        ).stdout.strip()

    def status(self) -> dict[str, object]:
        """The content that `variants status --json` prints."""
        found: dict[str, object] = json.loads(self.run("status", "--json").stdout)
        return found

    @property
    def client(self) -> MlflowClient:
        """A client of the embedded registry, or of the server that `environment` names."""
        embedded = f"sqlite:///{self.root}/.variants/mlflow.db"
        uri = self.environment.get("MLFLOW_TRACKING_URI", embedded)
        return MlflowClient(uri, uri)  # a registry that another test has connected to is not meant

    def state(self) -> dict[str, object]:
        """Everything that a refused command may not change, in a form that can be compared."""
        models = self.client.search_registered_models()
        experiments = [one.experiment_id for one in self.client.search_experiments()]
        return {
            "checkout": self.git("status", "--porcelain"),
            "branches": self.git("branch", "--list"),
            "worktrees": self.git("worktree", "list"),
            "models": {model.name: dict(model.aliases) for model in models},
            "versions": [
                (one.name, str(one.version), one.tags)
                for one in self.client.search_model_versions()
            ],
            "runs": [run.info.run_id for run in self.client.search_runs(experiments)],
        }


def loosen_gate(clone: Clone, canaries: int = 0, impact: str = "off") -> None:
    """Commits a promotion policy that passes trainings of seconds, which learn nearly nothing.

    Args:
        clone: the clone whose policy is changed.
        canaries: number of products for the serving check; 0 leaves the check out.
        impact: whether the impact is measured, see mlflow/promotion.yaml.
    """
    loose = {"floor": 0.0, "baselines": [], "segments.pairs": 1000, "serving.canaries": canaries}
    loose["impact.mode"] = impact
    loose["policies"] = {
        "prove-gain": {"min_gain": -1.0, "margin": 1.0},
        "stay-fresh": {"margins": {"block_ap": 1.0, "mean_ap": 1.0}},
    }
    set_params(
        clone.root / "mlflow/promotion.yaml",
        {f"gate.{name}": value for name, value in loose.items()},
    )
    clone.git("commit", "--quiet", "--all", "-m", "a loose policy")


@pytest.fixture(scope="session")
def make_clone(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Clone]:
    """Makes a new clone at each call; see `clone_project`."""
    return lambda: clone_project(tmp_path_factory.mktemp("clone") / "project")


def clone_project(root: Path) -> Clone:
    """Makes a clone of the working tree at `root`, with params committed that train in seconds.

    The clone holds the files that git tracks or would add, in one commit on the branch main. Its
    policy has no serving check and no impact.
    """
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, root / name)
    set_params(root / "params.yaml", SMALL)
    # The serving check would start a server for seconds in each retraining; two more processes
    # would embed the sample of the impact.
    quick = {"gate.serving.canaries": 0, "gate.impact.mode": "off"}
    set_params(root / "mlflow/promotion.yaml", quick)
    clone = Clone(root)
    for command in (
        ["init", "--quiet", "--initial-branch", "main"],
        ["config", "user.name", "Ada Tester"],
        ["config", "user.email", "ada@example.org"],
        ["add", "--all"],
        ["commit", "--quiet", "-m", "the project with small params"],
    ):
        clone.git(*command)
    return clone


def set_params(path: Path, params: dict[str, object]) -> None:
    """Changes values of a YAML file of nested sections in place, such as params.yaml.

    Args:
        path: the file; its comments are lost.
        params: values by their names, such as "train.epochs"; sections of a name must exist.
    """
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    for name, value in params.items():
        place = content
        *parts, last = name.split(".")
        for part in parts:
            place = place[part]
        place[last] = value
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def workplace(folder: Path, shop: Path) -> Path:
    """A folder like the project's root, with the shop imported."""
    shutil.copytree(ROOT / "data/gx", folder / "data/gx")
    shutil.copy(ROOT / "data/previous.json", folder / "data")
    shutil.copy(ROOT / "params.yaml", folder)
    set_params(folder / "params.yaml", SMALL)
    import_shop(str(shop), folder / "data/snapshot")
    return folder


def jpeg(picture: np.ndarray) -> bytes:
    """Encodes a picture, uint8 (height, width, 3), as a JPEG file."""
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "JPEG", quality=92)
    return content.getvalue()


def edit_table(path: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    """Changes a CSV table of a shop in place; all values are read as text."""
    change(pd.read_csv(path, dtype=str, keep_default_na=False)).to_csv(path, index=False)


def put(file: Path, content: bytes, at: float = LONG_AGO) -> None:
    """Writes a file whose time of change is `at`."""
    file.write_bytes(content)
    os.utime(file, (at, at))


def contents(folder: Path) -> dict[str, bytes]:
    """The files below a folder, by their paths."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }
