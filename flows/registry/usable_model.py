"""The registered model that groups a catalogue: the one that a person names, or the champion."""

from flows.local.project import Project
from flows.local.untrained import UNTRAINED, caution
from flows.registry.model_files import refuse_unusable
from flows.registry.outside_move import named_or_champion
from flows.registry.tracking import connect
from flows.registry.versions import policy_of, uri_of
from ml.core.errors import UserError


def usable_model(project: Project, model: str) -> str:
    """Finds a model and refuses it if its files are not there.

    Args:
        model: URI of a registered model; empty: the champion.

    Returns:
        The URI of the version.

    Raises:
        UserError: there is no such model, or it cannot be used.
    """
    client, policy = connect(project), policy_of(project)
    try:
        version = named_or_champion(project, client, policy, model)
        refuse_unusable(client, version)
        return uri_of(version)
    except UserError as error:
        if model:
            raise
        raise UserError(
            f"{error}; or take `--model {UNTRAINED}` for first groups by {caution()}"
        ) from error
