"""The two modes of a batch: pairs to learn from, and fresh pairs to compare models on."""

from typing import Literal, get_args

from ml.core.errors import UserError, visible
from ml.data.annotations import SAMPLED, SUGGESTED

Mode = Literal["train", "test"]
MODES: tuple[Mode, ...] = get_args(Mode)
# As which origin its pairs enter a snapshot. A model chose the train pairs, so that no comparison
# may use them; none chose the test pairs.
ORIGIN: dict[str, str] = {"train": SUGGESTED, "test": SAMPLED}


def check_mode(name: str) -> Mode:
    """Returns the mode of a name.

    Raises:
        UserError: there is none.
    """
    for mode in MODES:
        if mode == name:
            return mode
    raise UserError(f"{visible(name)!r:.100} is no mode: take {' or '.join(MODES)}")
