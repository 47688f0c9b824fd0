"""Networks of timm that take pictures of any size, without a classifier."""

from contextlib import suppress
from typing import Any

import timm
from torch import nn

# Options with which an architecture takes pictures of any size that its patches divide.
FLEXIBLE: tuple[dict[str, Any], ...] = ({"dynamic_img_size": True}, {"strict_img_size": False})


def create_network(name: str, pretrained: bool = False) -> nn.Module:
    """Creates a network without a classifier; its weights are random or those of timm's hub."""
    for option in FLEXIBLE:
        with suppress(TypeError):  # this architecture does not have the option
            return timm.create_model(name, pretrained, num_classes=0, **option)
    return timm.create_model(name, pretrained, num_classes=0)
