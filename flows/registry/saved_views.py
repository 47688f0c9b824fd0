"""Views of the table of runs that MLflow's page offers under *Views*, as tags of the experiment.

MLflow keeps a saved view in a tag `mlflow.sharedViewState.ID`: a name, two times, and the state of
the page as JSON in a text. MLflow fills in what a state leaves out.
"""

import json
from typing import Any

TAG = "mlflow.sharedViewState."
SAVED = 1_767_225_600_000  # milliseconds: when a view counts as saved; the same for each experiment
CURVES = {  # metric of each epoch → title of its chart
    "epoch.dev_block_ap": "block AP on dev",
    "epoch.loss": "loss of training",
    "epoch.accuracy": "accuracy of training",
    "epoch.learning_rate": "learning rate",
}
COLUMNS = (  # of the view *Releases*: group of columns, name
    ("tags", "gate"),
    ("metrics", "test.block_ap"),
    ("metrics", "test.mean_ap"),
    ("metrics", "test.recall_at_1"),
    ("metrics", "test.cgacc"),
    ("metrics", "gate.gain.block_ap"),
    ("metrics", "gate.gain.mean_ap"),
    ("params", "train.method"),
    ("params", "train.epochs"),
    ("params", "snapshot.products"),
    ("attributes", "Models"),
)
RUN_NAME = "attributes.`Run Name`"  # a column that is always shown
RELEASES_VIEW, CURVES_VIEW = "releases", "curves"  # ids of the views


def view_tags() -> dict[str, str]:
    """Returns the experiment's tags that hold the views."""
    views = {RELEASES_VIEW: ("Releases", _releases()), CURVES_VIEW: ("Curves", _curves())}
    return {
        f"{TAG}{identity}": json.dumps(
            {"name": name, "createdAt": SAVED, "updatedAt": SAVED, "state": json.dumps(state)}
        )
        for identity, (name, state) in views.items()
    }


def _releases() -> dict[str, Any]:
    """The state of a table whose columns say what became of each run."""
    columns = [f"{group}.`{name}`" for group, name in COLUMNS]
    order = [RUN_NAME, *columns]
    return {"selectedColumns": columns, "columnOrder": order, "columnWidths": {RUN_NAME: 400}}


def _curves() -> dict[str, Any]:
    """The state of charts with a line for each run; other metrics lie in a closed section."""
    charts = [
        {
            "type": "LINE",
            "uuid": f"chart-{metric}",
            "metricSectionId": "section-curves",
            "isGenerated": False,
            "deleted": False,
            "metricKey": metric,
            "selectedMetricKeys": [metric],
            "displayName": title,
            "lineSmoothness": 0,
            "scaleType": "linear",
            "xAxisScaleType": "linear",
            "xAxisKey": "step",
            "selectedXAxisMetricKey": "",
            "yAxisKey": "metric",
            "yAxisExpressions": [],
            "range": {},
            "ignoreOutliers": False,
            "useGlobalXaxisKey": True,
            "useGlobalLineSmoothing": True,
        }
        for metric, title in CURVES.items()
    ]
    names = {"section-curves": "By epoch", "section-rest": "Model metrics"}
    sections = [
        {
            "uuid": identity,
            "name": name,
            "display": identity == "section-curves",
            "isReordered": False,
            "deleted": False,
            "isGenerated": False,
        }
        for identity, name in names.items()
    ]
    return {"compareRunCharts": charts, "compareRunSections": sections}
