"""Outlines of garments as arrays of points.

x goes to the right and y down; a garment is about two units tall. All functions take and return
float arrays (n, 2).
"""

from collections.abc import Sequence

import numpy as np

Points = np.ndarray
Chain = Sequence[tuple[float, float] | np.ndarray] | np.ndarray
REACH = 1.4  # patterns cover the square −REACH … REACH around a part's origin


def smooth(points: Chain, steps: int = 7) -> Points:
    """An open Catmull-Rom curve through all points, with `steps` points for each span."""
    knots = np.asarray(points, float)
    padded = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    before, start, end, after = (
        padded[shift : len(padded) - 3 + shift, None] for shift in range(4)
    )
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    curve = 2 * start + t * (end - before) + t**2 * (2 * before - 5 * start + 4 * end - after)
    curve = (curve + t**3 * (3 * start - before - 3 * end + after)) / 2
    return np.concatenate([curve.reshape(-1, 2), knots[-1:]])


def join(*chains: Chain) -> Points:
    """Joins chains, one after the other."""
    return np.concatenate([np.asarray(chain, float) for chain in chains])


def flip(points: Chain) -> Points:
    """Mirrors points left and right and reverses them, so that an outline continues."""
    return np.asarray(points, float)[::-1] * (-1, 1)


def mirrored(half: Chain) -> Points:
    """The closed outline whose right half leads from the top of the middle line to its bottom."""
    return join(half, flip(half))


def ellipse(
    x: float, y: float, width: float, height: float | None = None, steps: int = 20
) -> Points:
    """An ellipse, given by its centre and half axes; a circle where `height` is missing."""
    angle = np.linspace(0, 2 * np.pi, steps, endpoint=False)
    return np.stack([x + width * np.cos(angle), y + (height or width) * np.sin(angle)], axis=1)


def box(left: float, top: float, right: float, bottom: float, round_by: float = 0.0) -> Points:
    """A rectangle whose corners are rounded with the radius `round_by`."""
    if not round_by:
        return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], float)
    arc = ellipse(0, 0, round_by, steps=20)
    corners = [(right, bottom, 0), (left, bottom, 5), (left, top, 10), (right, top, 15)]
    inset = [(x - np.sign(x - (left + right) / 2) * round_by, y, first) for x, y, first in corners]
    inset = [(x, y - np.sign(y - (top + bottom) / 2) * round_by, first) for x, y, first in inset]
    return join(*[moved(np.roll(arc, -first, axis=0)[:6], x, y) for x, y, first in inset])


def band(chain: Chain, width: float, end_width: float | None = None) -> Points:
    """The outline of a ribbon along a chain; its width changes from `width` to `end_width`."""
    line = np.asarray(chain, float)
    along = np.gradient(line, axis=0)
    normal = np.stack([-along[:, 1], along[:, 0]], axis=1) / (
        np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
    )
    half = np.linspace(width, width if end_width is None else end_width, len(line))[:, None] / 2
    return join(line + normal * half, (line - normal * half)[::-1])


def straight(start: tuple[float, float], end: tuple[float, float], steps: int = 12) -> Points:
    """A straight line of `steps` points, so that it can bend with the cloth."""
    return np.linspace(start, end, steps)


def turned(points: Points, degrees: float, about: tuple[float, float] = (0.0, 0.0)) -> Points:
    """Rotates points clockwise (y is down) about a point."""
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return (points - about) @ turn + about


def strip(top: float, bottom: float) -> Points:
    """A stripe across the whole pattern, from x = −REACH to REACH."""
    return join(straight((-REACH, top), (REACH, top)), straight((REACH, bottom), (-REACH, bottom)))


def moved(points: Points, x: float, y: float) -> Points:
    """Moves points by x to the right and by y down."""
    return points + np.array([x, y])
