"""The plain canvas: the pixels themselves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

import impasto


class Pixels(impasto.Canvas):
    """The pixels themselves, sRGB in [0, 1]."""

    def __init__(
        self,
        image: Tensor,
        clamp: Annotated[bool, Field(description="clip to [0, 1] after each step")] = False,
    ) -> None:
        super().__init__()
        self.pixels = nn.Parameter(image.clone(memory_format=torch.contiguous_format))
        self.clamp = clamp

    def forward(self) -> Tensor:
        return self.pixels

    @torch.no_grad()
    def project(self) -> None:
        if self.clamp:
            self.pixels.clamp_(0, 1)


@impasto.hookimpl
def impasto_canvases() -> Iterable[impasto.Offer]:
    return [impasto.Offer("pixels", Pixels)]
