"""Paths and addresses of pictures, which a shop writes: none leads out of the shop's folder."""

import os
import re
from pathlib import Path, PurePosixPath

from ml.core.credentials import has_credentials
from ml.core.errors import UserError

FORMAT = "see docs/data-format.md"
WEB = ("http://", "https://")
LONGEST = 255  # bytes of a file's name
# A path that is in normal form already, as nearly all are: a large catalogue is checked sooner.
PLAIN = re.compile(r"(?:\w[\w.-]{0,250}/)*\w[\w.-]{0,250}", re.ASCII)


def is_web(image: str) -> bool:
    """Returns whether a picture is given by its address on the web."""
    return image.startswith(WEB)


def refuse_credentials(source: str) -> None:
    """Refuses a source whose URL holds a password or token, since it is stored in many places.

    Raises:
        UserError: it holds one.
    """
    if has_credentials(source):
        raise UserError(
            f"the URL of the shop '{source}' holds a password or token, and git, MLflow and "
            "Prefect keep the URL for good: leave it out of the URL, and give it in the "
            "environment (such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY) or in fsspec's "
            "configuration (~/.config/fsspec/*.json); see docs/how-to-mlops.md, Credentials"
        )


def refuse_absent(source: str) -> None:
    """Refuses a source that is a path of this machine with nothing there.

    Commands ask this before they start a server; a source at a URL is asked for later.

    Raises:
        UserError: there is nothing.
    """
    if "://" not in source and not os.path.lexists(source):
        raise UserError(no_shop(source))


def no_shop(source: str) -> str:
    """What is said of a source that holds no shop."""
    return f"there is no shop at '{source}': give a folder or URL that holds catalog.csv ({FORMAT})"


def inside(image: str, source: str) -> str:
    """Returns a picture's path in normal form.

    Raises:
        UserError: the path leaves the shop.
    """
    if PLAIN.fullmatch(image):
        return image
    path = PurePosixPath(image.replace("\\", "/"))
    outside = path.is_absolute() or ".." in path.parts
    if not path.parts or outside or ":" in path.parts[0] or "\0" in image:
        raise UserError(
            f"the catalogue of '{source}' names the picture '{image}', which is not inside the "
            "shop: paths are relative to the shop's folder and hold no '..'"
        )
    if any(len(part.encode()) > LONGEST for part in path.parts):
        raise UserError(
            f"the catalogue of '{source}' names the picture '{image[:40]}…': a name of more than "
            f"{LONGEST} bytes is none of a file"
        )
    return str(path)


def refuse_links(root: Path, path: Path, source: str) -> None:
    """Refuses what is not in the shop itself, or not a file.

    Raises:
        UserError: `path`, or a folder between it and `root`, is a symbolic link; or `path` is a
            pipe, a socket or a device.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise UserError(
            f"'{path.relative_to(root)}' in the shop '{source}' is a pipe, a socket or a device: "
            "put a file there"
        )
    step = path
    while step != root:
        if step.is_symlink():
            raise UserError(
                f"'{step.relative_to(root)}' in the shop '{source}' is a symbolic link: "
                "put the file itself there; links are refused because they can leave the shop"
            )
        step = step.parent
