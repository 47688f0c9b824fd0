"""The report of an evaluation, one self-contained HTML page.

It shows the metrics of the model beside those of the baselines, on the segments too, the training
curve, and the groups and the worst mistakes as pictures. Which model it is about is filled in when
it is registered (see `HEADER_PLACE`).
"""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly.express as px
import plotly.graph_objects as go
from markupsafe import Markup
from PIL import Image
from plotly.offline import get_plotlyjs

from ml.data.annotations import Annotations
from ml.evaluate.error_analysis import ErrorAnalysis, Mistake
from ml.evaluate.metric_words import COMPLETE_METRICS, METRICS, Interval
from ml.grouping.calibration import Calibration, reliability
from ml.pages.html import picture_url, product_card, write_page

TEMPLATE = Path(__file__).parent / "templates/report.html.j2"
GROUPS, MEMBERS = 40, 8  # shown at most: groups, and products of a group
HEADER_PLACE = "<!-- the model, its run and the gate's verdict -->"
COLOURS = {  # each has a contrast of 3 or more with a white page and with a dark one
    "model": "#12916b",
    "pixels": "#8a8f98",
    "gray": "#7a7f88",
    "imagenet": "#b8761d",
    "imagenet_gray": "#a05fb8",
    "imagenet_gray_whitened": "#d0518a",
}
CLEAR = "rgba(0,0,0,0)"  # the page's own colour, light or dark
VERDICTS = {  # of a group, see `ml.evaluate.error_analysis` → its words
    "right": "right",
    "incomplete": "incomplete: a product of its design is elsewhere",
    "wrong": "wrong: it holds two designs",
    "unknown": "no pair of it is annotated",
}
TITLES = {
    "model": "this model",
    "pixels": "colour pixels",
    "gray": "gray pixels",
    "imagenet": "ImageNet features",
    "imagenet_gray": "ImageNet, gray pictures",
    "imagenet_gray_whitened": "ImageNet, gray pictures, whitened",
}
RULES = {  # clustering of `ml.grouping.grouping` → its rule; the page adds the least similarity
    "average": "if their average similarity is at least",
    "complete": "if the similarity of every two of them is at least",
    "mutual": "if a chain of products that are nearest to each other links them, with similarities "
    "of at least",
    "correlation": "so that the pairs of a group are on balance more similar than",
}


def write_report(
    path: Path,
    metrics: dict[str, Any],
    curves: pd.DataFrame,
    products: pd.DataFrame,
    pictures: np.ndarray,
    annotations: Annotations,
    similarity: np.ndarray,
    errors: ErrorAnalysis,
    boxes: Path,
    segments: list[tuple[str, int, Interval]],
    history: pd.DataFrame,
) -> None:
    """Writes the report of one evaluation.

    Equal inputs give equal bytes. Every text of the shop is escaped.

    Args:
        path: the HTML file.
        metrics: the content of metrics.json.
        curves: columns embedding, recall, precision: the points of every precision-recall curve.
        products: the test split.
        pictures: uint8 (products, height, width, 3), the crops of these products.
        annotations: of the test split.
        similarity: float (block pairs,), cosine similarity by the model.
        errors: of the model on the test split.
        boxes: picture file of the contact sheet with the box of each product.
        segments: name, number of pairs of variants and block AP of each segment.
        history: the content of history.csv, a row for each epoch.
    """
    threshold = metrics["model"]["threshold"]

    def card(index: int) -> dict[str, Any]:
        return product_card(products.iloc[index], pictures[index])

    def cards(mistakes: list[Mistake]) -> list[dict[str, Any]]:
        return [
            {"left": card(one.left), "right": card(one.right), "mistake": one} for one in mistakes
        ]

    write_page(
        path,
        TEMPLATE,
        metrics=metrics,
        tables=_tables(metrics),
        columns=METRICS,
        complete=_complete(metrics.get("complete_blocks", {})),
        complete_columns=COMPLETE_METRICS,
        chart=_precision_recall(curves) if len(curves) else None,
        histogram=_histogram(annotations.block_pairs.label, similarity, threshold)
        if len(annotations.block_pairs)
        else None,
        reliability=_reliability(annotations.block_pairs.label, similarity, metrics["model"])
        if metrics["evaluable"]
        else None,
        curve=_training_curve(history),
        segments=segments,
        header_place=Markup(HEADER_PLACE),
        groups=[
            {
                "size": len(indices),
                "cards": [card(index) for index in indices[:MEMBERS]],
                "verdict": verdict,
            }
            for indices, verdict in zip(errors.groups[:GROUPS], errors.verdicts, strict=False)
        ],
        verdicts=VERDICTS,
        counts=Counter(errors.verdicts),
        group_count=len(errors.groups),
        grouped=sum(map(len, errors.groups)),
        mistakes={
            "Worst false positives: different designs with a high similarity": cards(
                errors.false_positives
            ),
            "Worst false negatives: variants with a low similarity": cards(errors.false_negatives),
        },
        boxes=picture_url(Image.open(boxes).convert("RGB")),
        products=len(products),
        rule=RULES[metrics["grouping"]],
        similarity=1 - threshold,
        plotly_js=Markup(get_plotlyjs()),
    )


def _tables(metrics: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Returns the table of each split: a row for each embedding; the best values are marked."""
    if not metrics["evaluable"]:
        return {}
    entries = {"model": metrics["model"], **metrics["baselines"]}
    tables = {}
    for split in ("test", "dev"):
        best = {
            name: max(entry[split][name]["value"] for entry in entries.values()) for name in METRICS
        }
        tables[split] = [
            {
                "name": TITLES[name],
                "cells": [
                    {**entry[split][metric], "best": entry[split][metric]["value"] == best[metric]}
                    for metric in METRICS
                ],
            }
            for name, entry in entries.items()
        ]
    return tables


def _complete(blocks: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the columns of the table of complete blocks: the model on both splits, baselines."""
    columns = []
    for split in ("test", "dev"):
        if split in blocks:
            one = blocks[split]
            shown = {"model": one["metrics"]} | (one["baselines"] if split == "test" else {})
            columns += [
                {"title": f"{split}: {TITLES[name]}", "facts": one, "metrics": metrics}
                for name, metrics in shown.items()
            ]
    return columns


def _training_curve(history: pd.DataFrame) -> Markup:
    """Draws block AP on dev and the loss over the epochs; epoch 0 is the network before it."""
    figure = go.Figure(layout={"title": "Training: block AP on dev, and loss"})
    for name, words, axis, colour in (
        ("dev_block_ap", "block AP on dev", "y", COLOURS["model"]),
        ("loss", "loss (right axis)", "y2", COLOURS["imagenet"]),
    ):
        figure.add_scatter(
            x=history["epoch"],
            y=history[name],
            mode="lines+markers",
            name=words,
            yaxis=axis,
            line={"color": colour},
        )
    figure.update_layout(
        xaxis={"title": "epoch", "dtick": 1 if len(history) <= 12 else None},
        yaxis_title="block AP",
        yaxis2={"title": "loss", "overlaying": "y", "side": "right", "showgrid": False},
    )
    return _html(figure, "training")


def _precision_recall(curves: pd.DataFrame) -> Markup:
    figure = px.line(
        curves.assign(embedding=curves["embedding"].map(TITLES)),
        x="recall",
        y="precision",
        color="embedding",
        color_discrete_map={TITLES[name]: colour for name, colour in COLOURS.items()},
        title="Precision and recall, test split",
    )
    return _html(figure, "precision-recall")


def _histogram(label: np.ndarray, similarity: np.ndarray, threshold: float) -> Markup:
    edges = np.linspace(min(float(similarity.min()), 1 - threshold) - 1e-6, 1 + 1e-6, 61)
    figure = go.Figure(
        layout={"barmode": "overlay", "title": "Similarity of block pairs, test split"}
    )
    for kind, name, colour in (
        (False, "other design", COLOURS["pixels"]),
        (True, "colour variants", COLOURS["model"]),
    ):
        share = np.histogram(similarity[label == kind], edges)[0] / max((label == kind).sum(), 1)
        figure.add_bar(
            x=(edges[:-1] + edges[1:]) / 2, y=share, name=name, marker_color=colour, opacity=0.7
        )
    figure.add_vline(
        x=1 - threshold, line_dash="dash", line_color=COLOURS["pixels"], annotation_text="threshold"
    )
    figure.update_layout(xaxis_title="cosine similarity", yaxis_title="share of pairs", bargap=0)
    return _html(figure, "similarity")


def _reliability(label: np.ndarray, similarity: np.ndarray, entry: dict[str, Any]) -> Markup:
    calibration = Calibration(**entry["calibration"])
    bins = reliability(calibration.probability(similarity), label)
    error = entry["test"]["ece"]["value"]
    figure = go.Figure(layout={"title": f"Calibration, test split (ECE {error:.3f})"})
    figure.add_scatter(
        x=[0, 1],
        y=[0, 1],
        mode="lines",
        name="perfect",
        line={"dash": "dot", "color": COLOURS["pixels"]},
    )
    figure.add_scatter(
        x=bins["foreseen"],
        y=bins["found"],
        mode="lines+markers",
        name="this model",
        text=[f"{count} pairs" for count in bins["pairs"]],
        marker={"color": COLOURS["model"], "size": 6 + 3 * np.log10(bins["pairs"])},
    )
    figure.update_layout(
        xaxis_title="probability of being variants, at the base rate of annotated pairs",
        yaxis_title="share that are variants",
    )
    return _html(figure, "reliability")


def _html(figure: go.Figure, name: str) -> Markup:
    figure.update_layout(
        template="plotly_white", margin={"l": 50, "r": 20, "t": 50, "b": 40}, height=380
    )
    figure.update_layout(paper_bgcolor=CLEAR, plot_bgcolor=CLEAR, title_font_size=15)
    figure.update_layout(legend={"title": "", "orientation": "h", "y": -0.25})
    # A chart holds numbers and words of this project, and no text of the shop: its markup is safe.
    return Markup(
        figure.to_html(
            full_html=False,
            include_plotlyjs=False,
            div_id=name,
            config={"displayModeBar": False, "responsive": True},
        )
    )
