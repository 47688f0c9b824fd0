"""Writes self-contained HTML pages with product pictures."""

import base64
import io
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
from PIL import Image

from ml.core.files import replacing
from ml.data.schema import BLOCK

THUMBNAIL = 112  # pixels a side, at most


def product_card(product: pd.Series, picture: np.ndarray) -> dict[str, Any]:
    """Returns a product for the templates' macro `card`.

    The entries are picture (a data URL), id, title and block (plain text, not markup).

    Args:
        product: product_id, brand, gender, article_type, and title if the shop has titles.
        picture: uint8 (height, width, 3).
    """
    small = Image.fromarray(picture)
    small.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.BICUBIC)
    title = product.get("title")
    return {
        "picture": picture_url(small),
        "id": product["product_id"],
        "title": product["product_id"] if pd.isna(title) else title,
        "block": " · ".join(str(product[column]) for column in BLOCK),
    }


def picture_url(picture: Image.Image) -> str:
    """Returns a picture as a data URL, so that the page stays one file."""
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(content.getvalue()).decode()


def write_page(path: Path, template: str, **content: Any) -> None:
    """Renders a template of ml/pages/templates; it escapes every text that is not Markup."""
    loader = jinja2.FileSystemLoader(Path(__file__).parent / "templates")
    environment = jinja2.Environment(
        loader=loader, autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined
    )
    with replacing(path) as beside:
        beside.write_text(environment.get_template(template).render(**content), encoding="utf-8")
