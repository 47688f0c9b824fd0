"""Holm's procedure: several metrics share the significance level of one comparison.

Whoever looks at several metrics finds a gain in one of them by luck more often than the level says.
Holm's procedure tests the most convincing gain at level / metrics, and each further one at
level / (metrics that are left), until one is not proven. The chance of even one false proof stays
below the level, however the metrics depend on each other (Holm, "A simple sequentially rejective
multiple test procedure", Scandinavian Journal of Statistics 6, 1979).
"""

from collections.abc import Callable


def holm_levels(
    convincing: list[str], level: float, proven: Callable[[str, float], bool]
) -> dict[str, float]:
    """Returns the level at which each hypothesis is tested.

    Args:
        convincing: names of the hypotheses, the most convincing one first.
        level: of all of them together.
        proven: whether the hypothesis of a name is proven at a level.
    """
    levels, share, going = dict[str, float](), 0.0, True
    for place, name in enumerate(convincing):
        share = level / (len(convincing) - place) if going else share
        levels[name] = share
        going = going and proven(name, share)
    return levels
