"""The interactive figure of a run: every metric of model and baselines, with its interval."""

from typing import Any

import plotly.graph_objects as go

from ml.evaluate.metric_words import METRICS
from ml.evaluate.report import COLOURS, TITLES


def metrics_figure(metrics: dict[str, Any]) -> str:
    """Draws every metric of the test split, or of dev at a click, with its 95 % interval.

    Args:
        metrics: the content of metrics.json of an evaluable model.

    Returns:
        An HTML page that needs no network.
    """
    figure = go.Figure()
    entries = {"model": metrics["model"], **metrics["baselines"]}
    for split in ("test", "dev"):
        for name, entry in entries.items():
            found = [entry[split][metric] for metric in METRICS]
            figure.add_scatter(
                x=list(METRICS),
                y=[one["value"] for one in found],
                error_y={
                    "array": [_distance(one, "high") for one in found],
                    "arrayminus": [_distance(one, "low") for one in found],
                },
                mode="markers",
                name=TITLES[name],
                marker={"color": COLOURS[name], "size": 9},
                visible=split == "test",
                offsetgroup=name,
            )
    buttons = [
        {
            "label": f"{split} split",
            "method": "update",
            "args": [{"visible": [one == split for one in ("test", "dev") for _ in entries]}],
        }
        for split in ("test", "dev")
    ]
    figure.update_layout(
        template="plotly_white",
        title="Metrics beside naive baselines, with 95 % intervals",
        scattermode="group",
        yaxis={"range": [0, 1.02]},
        legend={"orientation": "h", "y": -0.25},
        updatemenus=[
            {"buttons": buttons, "type": "buttons", "direction": "right", "x": 1, "y": 1.2}
        ],
    )
    page: str = figure.to_html(include_plotlyjs=True, config={"displayModeBar": False})
    return page


def _distance(interval: dict[str, float | None], end: str) -> float:
    value, edge = interval["value"], interval[end]
    return 0.0 if value is None or edge is None else abs(edge - value)
