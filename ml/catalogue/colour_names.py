"""Names of measured colours, and contradictions between them and the shop's own names."""

import numpy as np
import pandas as pd

from ml.catalogue.colours import delta_e, lab

# CIELAB of each name: centres of the measured colours of the train brands of myntra, by k-means.
REFERENCES: dict[str, list[tuple[int, int, int]]] = {
    "Black": [(10, 1, 0), (20, -1, 0), (30, 0, -1)],
    "White": [(71, 0, -1), (85, 0, 0), (92, 0, 1)],
    "Grey": [(49, 0, 0), (69, 0, 1), (85, -1, 1)],
    "Blue": [(33, 0, -11), (42, 11, -36), (66, -3, -12)],
    "Navy Blue": [(19, 1, -7), (33, 1, -10)],
    "Brown": [(18, 4, 4), (31, 2, 1), (44, 7, 11)],
    "Red": [(39, 49, 22), (43, 12, 3), (54, 57, 33)],
    "Maroon": [(31, 30, 10)],
    "Green": [(49, -16, 0), (69, -33, 24), (81, -8, 2)],
    "Olive": [(43, -6, 8)],
    "Purple": [(22, 9, -5), (40, 36, -20), (43, 11, -10)],
    "Pink": [(59, 52, 5), (80, 13, 0)],
    "Beige": [(80, 1, 11)],
    "Yellow": [(86, -3, 49)],
    "Orange": [(66, 37, 47)],
}
NAMES = np.array([name for name, places in REFERENCES.items() for _ in places], dtype=object)
PLACES = np.array([one for places in REFERENCES.values() for one in places], float)
SYNONYMS = {"gray": "grey", "navy": "navy blue"}
FAR = 30.0  # ΔE00 from the reference of the said name, from which the name is contradicted


def measured_names(colours: np.ndarray) -> np.ndarray:
    """Names colours by their nearest references.

    Args:
        colours: float (products, 3), sRGB; NaN: not known.

    Returns:
        object (products,), names, or None.
    """
    known = ~np.isnan(colours).any(axis=1)
    names = np.full(len(colours), None, dtype=object)
    names[known] = NAMES[_distances(colours[known]).argmin(axis=1)]
    return names


def name_colours(said: pd.Series | None, colours: np.ndarray) -> pd.DataFrame:
    """Returns the name of each product's colour: the shop's own, or else the measured one.

    Args:
        said: the shop's base_colour, missing where it says nothing; None: it never does.
        colours: as of `measured_names`.

    Returns:
        colour (None: not known), and looks: the measured name where it contradicts the shop's, or
        None. It does if the shop's name is one of `REFERENCES`, another one is nearer, and the
        measured colour is at least `FAR` from that of the shop's name.
    """
    measured = measured_names(colours)
    if said is None:
        return _table(measured, np.full(len(measured), None, dtype=object))
    told = said.where(said.notna() & (said.astype(str).str.strip() != ""), None).to_numpy(object)
    lower = pd.Series(told).str.strip().str.lower().replace(SYNONYMS)
    said_here = lower.to_numpy(object)[:, None] == np.char.lower(NAMES.astype(str))
    found = np.flatnonzero(said_here.any(axis=1) & pd.notna(measured))
    away = _distances(colours[found])
    own = np.where(said_here[found], away, np.inf).min(axis=1, initial=np.inf)
    wrong = found[(own >= FAR) & (own > away.min(axis=1, initial=np.inf))]
    looks = np.full(len(told), None, dtype=object)
    looks[wrong] = measured[wrong]
    return _table(np.where(pd.isna(told), measured, told), looks)


def _table(colour: np.ndarray, looks: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"colour": colour, "looks": looks}, dtype=object)  # keeps None


def _distances(colours: np.ndarray) -> np.ndarray:
    return delta_e(lab(colours)[:, None], PLACES[None])
