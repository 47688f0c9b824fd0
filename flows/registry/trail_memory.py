"""What a clone remembers of the audit trail, so that a removed event is seen and can be put back.

The file `.variants/audit-trail.json` holds every event that a command of this clone has ever read,
by registry, registered model and tag. It only grows: what was read first stays. A registered model
that was deleted and made anew is another one.
"""

import hashlib
import json

from filelock import FileLock
from mlflow.tracking import MlflowClient

from flows.local.project import Project
from flows.registry.audit_trail import PREFIX
from flows.registry.versions import or_none
from ml.core.files import replacing
from ml.promote.policy import ModelNames

FILE = "audit-trail.json"
Texts = dict[str, str]  # name of the tag → text of the event


def remember(project: Project, client: MlflowClient, names: ModelNames) -> dict[str, Texts]:
    """Adds the events of the registry that this clone does not know to its memory.

    Returns:
        Registered model → name of the tag → text, of all that this clone has ever read.
    """
    now = {name: _texts(client, name) for name in (names.candidates, names.production)}
    if project.reads_only:
        known = _read(project)
        return {name: texts | known.get(key, {}) for name, (key, texts) in now.items() if key}
    with FileLock(project.room / f"{FILE}.lock"):
        known = _read(project)
        grown = known | {
            key: texts | known.get(key, {}) for key, texts in now.values() if key and texts
        }
        if grown != known:
            with replacing(project.room / FILE) as beside:
                beside.write_text(json.dumps(grown, indent=0, ensure_ascii=False), "utf-8")
    return {name: grown.get(key, {}) for name, (key, _) in now.items()}


def _read(project: Project) -> dict[str, Texts]:
    try:
        known = json.loads((project.room / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # the memory is lost, and the chain of hashes is still there
        return {}
    return known if isinstance(known, dict) else {}


def _texts(client: MlflowClient, name: str) -> tuple[str, Texts]:
    """A key that identifies the registered model for good, and its events; "" if it is absent."""
    model = or_none(client.get_registered_model, name)
    if model is None:
        return "", {}
    # An address may hold a password, and paths are private: the hash identifies it as well.
    where = hashlib.sha256(client.tracking_uri.encode()).hexdigest()[:16]
    key = f"{where} {model.creation_timestamp} {name}"
    tags = {tag: text for tag, text in model.tags.items() if tag.startswith(PREFIX)}
    return key, dict(sorted(tags.items()))
