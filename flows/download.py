"""`variants download`: a copy of a registered model to serve, compared with the record first."""

from pathlib import Path

from flows.local.access import refuse_closed
from flows.local.project import Project
from flows.registry.outside_move import named_or_champion
from flows.registry.tracking import connect
from flows.registry.verified_files import verified_copy
from flows.registry.versions import policy_of
from ml.core.errors import UserError
from ml.core.files import replacing


def download(project: Project, model: str, out: Path) -> Path:
    """Copies a registered model into a folder, which MLflow can serve.

    Args:
        model: URI of a version or alias; empty: the champion.
        out: the folder; it must be empty or not exist. It appears whole or not at all.

    Returns:
        The folder.

    Raises:
        UserError: there is no such model; the folder is not empty; the champion is not the one on
            record; or a file of the model is not as the gate judged it.
    """
    refuse_closed(out)
    if out.exists() and any(out.iterdir()):
        raise UserError(f"{out} is not empty: name a new folder with --out")
    client, policy = connect(project), policy_of(project)
    version = named_or_champion(project, client, policy, model)
    with replacing(out) as beside:
        beside.mkdir()
        verified_copy(client, version, beside)
    return out
