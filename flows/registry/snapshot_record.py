"""Records in an MLflow run what changed since the snapshot before."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow.tracking import MlflowClient

from flows.local.snapshots import snapshot_id
from flows.local.stored_snapshot import open_stored
from ml.core.errors import UserError
from ml.core.files import read_json
from ml.core.paths import PREVIOUS
from ml.snapshot.diff_page import Side, write_diff


def log_diff(client: MlflowClient, run_id: str, root: Path, log: Callable[[str], None]) -> None:
    """Logs snapshot_diff/diff.json and diff.html to a run, if there is a snapshot before.

    Args:
        run_id: MLflow run id.
        root: top folder of the checkout with the snapshot.
        log: called with a line if neither cache nor remote has the snapshot before.
    """
    before = read_json(root / PREVIOUS)["snapshot"]
    if before is None:
        return
    try:
        sides = []
        for identity in (before, snapshot_id(root)):
            found = open_stored(root, identity)
            sides.append(Side(identity[:12], found.tables(), found.picture))
        with TemporaryDirectory() as folder:
            write_diff(sides[0], sides[1], Path(folder))
            client.log_artifacts(run_id, folder, "snapshot_diff")
    except UserError as error:
        log(f"what changed since the snapshot before is not recorded: {error}")
