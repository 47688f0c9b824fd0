"""What the tests share: small shops, and clones of this project in which flows may commit."""

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from mlflow.tracking import MlflowClient
from PIL import Image

from ml.synthetic import generate_shop

ROOT = Path(__file__).parents[1]
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # as in an activated environment
CANDIDATES, PRODUCTION = "color-variants-candidates", "color-variants"  # the registered models
LONGEST = [
    "test_lifecycle",
    "test_pages",
    "test_refusals",
    "test_checkout",
    "test_reproduce",
    "test_methods",
]
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
    """`--record`: tests of faults write what they found to benchmarks/reliability, where docs/reliability.md is made from."""
    parser.addoption("--record", action="store_true", help="keep the counts of the tests of faults")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first: of two workers, none is left with the longest one at the end."""
    items.sort(
        key=lambda item: (
            LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST)
        )
    )


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


class Clone:
    """A clone of the project as it is in the working tree, and the command `variants` in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PREFECT_", "MLFLOW_"))
        }
        self.environment |= {"PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1", "PATH": PATH}

    def run(
        self, *arguments: str, check: bool = True, timeout: float = 600
    ) -> subprocess.CompletedProcess[str]:
        """Runs `variants ARGUMENTS` with the clone's own code."""
        return self.python("-m", "flows.cli", *arguments, check=check, timeout=timeout)

    def python(
        self, *arguments: str, check: bool = True, timeout: float = 600
    ) -> subprocess.CompletedProcess[str]:
        """Runs this interpreter in the clone."""
        return self.command(sys.executable, *arguments, check=check, timeout=timeout)

    def command(
        self, *command: str, check: bool = True, timeout: float = 600
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command in the clone."""
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
                f"{' '.join(command)} exited with {result.returncode}:\n{result.stdout}\n{result.stderr}"
            )
        return result

    def git(self, *arguments: str) -> str:
        """What git prints."""
        return subprocess.run(
            ["git", *arguments], cwd=self.root, capture_output=True, text=True, check=True
        ).stdout.strip()

    def status(self) -> dict[str, object]:
        """What `variants status --json` says."""
        found: dict[str, object] = json.loads(self.run("status", "--json").stdout)
        return found

    @property
    def client(self) -> MlflowClient:
        """The registry of this clone: the embedded one, unless it has been given a server."""
        embedded = f"sqlite:///{self.root}/.variants/mlflow.db"
        return MlflowClient(self.environment.get("MLFLOW_TRACKING_URI", embedded))

    def state(self) -> dict[str, object]:
        """Everything that a refused command may not change."""
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


def loosen_gate(clone: Clone, canaries: int = 0) -> None:
    """Commits a policy that passes trainings of seconds: for tests that are about the lifecycle, not about quality."""
    loose = {"floor": 0.0, "baselines": [], "margin": 1.0, "min_gain": -1.0, "segments.pairs": 1000}
    loose["serving.canaries"] = canaries
    set_params(
        clone.root / "mlflow/promotion.yaml",
        {f"gate.{name}": value for name, value in loose.items()},
    )
    clone.git("commit", "--quiet", "--all", "-m", "a loose policy")


@pytest.fixture(scope="session")
def make_clone(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Clone]:
    """Makes clones with small params committed, so that flows run in seconds."""
    return lambda: clone_project(tmp_path_factory.mktemp("clone") / "project")


def clone_project(root: Path) -> Clone:
    """A clone of the working tree at `root`, with small params committed."""
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
    set_params(
        root / "mlflow/promotion.yaml", {"gate.serving.canaries": 0}
    )  # a server of seconds for each retraining
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
    """Changes values of a params.yaml, or another YAML file of nested sections, in place."""
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    for name, value in params.items():
        place = content
        *parts, last = name.split(".")
        for part in parts:
            place = place[part]
        place[last] = value
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def jpeg(picture: np.ndarray) -> bytes:
    """The bytes of a JPEG file; picture: uint8 (height, width, 3)."""
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "JPEG", quality=92)
    return content.getvalue()


def edit_table(path: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    """Changes a CSV table of a shop."""
    change(pd.read_csv(path, dtype=str, keep_default_na=False)).to_csv(path, index=False)
