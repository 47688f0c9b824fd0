"""Accounts of servers: taken out of their addresses, which tools print and store as they are."""

import os
from urllib.parse import unquote, urlsplit

from ml.core.credentials import without_credentials


def separate_accounts() -> None:
    """Moves users and passwords out of servers' addresses into the variables of their clients.

    These are MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, and PREFECT_API_AUTH_STRING;
    one that is set already counts more.
    """
    for variable in ("MLFLOW_TRACKING_URI", "PREFECT_API_URL"):
        address = os.environ.get(variable, "")
        try:
            parts = urlsplit(address)
        except ValueError:
            continue  # the client says what is wrong with it
        if parts.scheme not in ("http", "https") or parts.username is None:
            continue
        user, password = unquote(parts.username), unquote(parts.password or "")
        if variable == "PREFECT_API_URL":
            os.environ.setdefault("PREFECT_API_AUTH_STRING", f"{user}:{password}")
        else:
            os.environ.setdefault("MLFLOW_TRACKING_USERNAME", user)
            os.environ.setdefault("MLFLOW_TRACKING_PASSWORD", password)
        os.environ[variable] = without_credentials(address)
