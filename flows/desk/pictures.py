"""Pictures of a catalogue's products, by their digests; never by a path."""

import io
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from PIL import Image

from flows.catalogue.shop import kept_picture
from flows.desk.newest_groups import Catalogues, catalogues_of, place_of
from flows.desk.people import Person, needs
from ml.data.images import UnreadablePicture, decode
from ml.pages.html import NO_PICTURE

LARGE = 900  # pixels a side, at most
QUALITY = 85  # of JPEG
FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}  # the digest is the content
SOON = {"Cache-Control": "private, max-age=60"}  # a picture that is missing may come

router = APIRouter()


@router.get("/picture/{catalogue}/{sha256}")
def picture(
    request: Request,
    catalogue: str,
    sha256: str,
    who: Annotated[Person, Depends(needs("viewer"))],
    found: Annotated[Catalogues, Depends(catalogues_of)],
) -> Response:
    """Sends the picture of a product: the shop's copy, or with `?small` the thumbnail.

    Where there is no copy it is the thumbnail, and without one a gray square. The shop's own bytes
    are never sent: what a browser gets was decoded and encoded here.
    """
    groups = found.newest(catalogue)
    place_of(groups, sha256)
    content = None
    if "small" not in request.query_params:
        source, columns = groups.facts["source"], groups.facts["columns"]
        file = kept_picture(found.project, source, columns, sha256)
        content = _shrunk(file.read_bytes()) if file.is_file() else None
    content = content or found.thumbnail(catalogue, sha256)
    request.scope["session"].accessed = False  # the bytes are those of everybody: no `Vary: Cookie`
    if content is None:
        return Response(_gray(), media_type="image/png", headers=SOON)
    return Response(content, media_type="image/jpeg", headers=FOREVER)


def _shrunk(content: bytes) -> bytes | None:
    try:
        shown = Image.fromarray(decode(content))
    except UnreadablePicture:
        return None
    shown.thumbnail((LARGE, LARGE), Image.Resampling.BICUBIC)
    encoded = io.BytesIO()
    shown.save(encoded, "JPEG", quality=QUALITY)
    return encoded.getvalue()


def _gray() -> bytes:
    encoded = io.BytesIO()
    Image.fromarray(NO_PICTURE).save(encoded, "PNG")
    return encoded.getvalue()
