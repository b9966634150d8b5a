"""Pixels minus ImageNet's mean, divided by its deviation, channel by channel.

The space in which most notebooks optimize, so that their learning rates mean the same here.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

import impasto

MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)


class Normalized(impasto.Canvas):
    """Pixels in units of ImageNet's standard deviation, as notebooks optimize them."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, image: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN, device=image.device).view(1, 3, 1, 1))
        self.register_buffer(
            "deviation", torch.tensor(DEVIATION, device=image.device).view(1, 3, 1, 1)
        )
        self.values = nn.Parameter(((image - self.mean) / self.deviation).contiguous())

    def forward(self) -> Tensor:
        return self.values * self.deviation + self.mean


@impasto.hookimpl
def impasto_canvases() -> Iterable[impasto.Offer]:
    return [impasto.Offer("normalized", Normalized)]
