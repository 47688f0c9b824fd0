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

TEMPLATES = Path(__file__).parent / "templates"  # the frame of every page, and cards
THUMBNAIL = 112  # pixels a side, at most
NO_PICTURE = np.full((8, 8, 3), 240, np.uint8)  # a gray square


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


def write_page(path: Path, template: Path, **content: Any) -> None:
    """Renders a template; it escapes every text that is not Markup.

    Args:
        template: a file, which may extend and include those of `TEMPLATES`.
        content: every name that the template asks for; jinja2.UndefinedError if one is missing.
    """
    loader = jinja2.FileSystemLoader([template.parent, TEMPLATES])
    environment = jinja2.Environment(
        loader=loader, autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined
    )
    with replacing(path) as beside:
        beside.write_text(
            environment.get_template(template.name).render(**content), encoding="utf-8"
        )
