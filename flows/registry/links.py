"""Addresses of MLflow's pages.

MLflow opens on its pages for language models, which have no registry, unless an address asks for
the mode of trained models. Its pages lie behind a `#`, and so does what they are asked for.
"""

from urllib.parse import quote, urlencode

from mlflow.tracking import MlflowClient

from flows.local.project import Project
from flows.local.servers import mlflow_page

MODE = {"workflowType": "machine_learning"}


def run_page(project: Project, client: MlflowClient, run_id: str) -> str:
    """Returns the URL of a run's page."""
    experiment = client.get_run(run_id).info.experiment_id
    return f"{mlflow_page(project)}/{run_link(experiment, run_id)}"


def experiments_link() -> str:
    """Returns the part from `#` on of the address of the list of experiments."""
    return _link("experiments")


def runs_link(experiment: str, **asked: str) -> str:
    """Returns the part from `#` on of the address of an experiment's table of runs.

    Args:
        experiment: its id.
        asked: what the page is asked for, such as `viewStateShareKey`, the id of a saved view.
    """
    return _link(f"experiments/{quote(experiment, safe='')}/runs", **asked)


def run_link(experiment: str, run_id: str, file: str = "") -> str:
    """Returns the part from `#` on of the address of a run, or of a file that it keeps.

    Args:
        file: path of an artifact, such as report.html; empty for the run's overview.
    """
    shown = f"/artifacts/{quote(file)}" if file else ""
    return _link(f"experiments/{quote(experiment, safe='')}/runs/{quote(run_id, safe='')}{shown}")


def version_link(name: str, version: str) -> str:
    """Returns the part from `#` on of the address of a version of a registered model."""
    return _link(f"models/{quote(name, safe='')}/versions/{quote(str(version), safe='')}")


def _link(path: str, **asked: str) -> str:
    return f"#/{path}?{urlencode(MODE | asked)}"
