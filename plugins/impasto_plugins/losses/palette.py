"""The palette: colors of the picture drawn to those of the style, wherever they are.

Kolkin, Salavon and Shakhnarovich, "Style Transfer by Relaxed Optimal Transport and Self-Similarity"
(STROTSS), CVPR 2019, its palette term: relaxed earth mover's distance with Euclidean distances in a color
space whose axes are nearly uncorrelated. Here that is Y'UV of ITU-R BT.601.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

import impasto
from impasto.plugin import HypercolumnLoss, Redraw
from impasto_plugins.losses.points import counted, relaxed_distance

YUV = ((0.299, 0.587, 0.114), (-0.14713, -0.28886, 0.436), (0.615, -0.51499, -0.10001))
"""Rows: Y', U and V of ITU-R BT.601, from red, green and blue."""


class PaletteLoss(HypercolumnLoss):
    """Relaxed earth mover's distance of colors from the style's (STROTSS; Kolkin et al. 2019)."""

    layers = ("image",)
    summary = "whole"
    axes: Tensor

    def __init__(
        self,
        weight: impasto.Weight = 1.0,
        samples: Annotated[
            int, Field(ge=1, description="style pixels whose colors are looked at")
        ] = 4096,
        pixels: Annotated[
            int, Field(ge=1, le=65536, description="pixels of the picture that are moved in a step")
        ] = 1024,
        redraw: Redraw = 1,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(weight)
        self.sample(pixels, redraw, samples, generator)
        self.register_buffer("axes", torch.tensor(YUV), persistent=False)

    def summarize_layer(self, feature: Tensor) -> impasto.Summary:
        """``feature``: Y', U and V of each pixel, (1, 3, 1, n)."""
        return {"feature": torch.einsum("ij,bjhw->bihw", self.axes.to(feature), feature)}

    def summarize_region(self, feature: Tensor, mask: Tensor) -> impasto.Summary:
        """``feature``, and ``counts``: how much each pixel is in the mask, (1, 1, 1, n)."""
        return {**self.summarize_layer(feature), "counts": mask}

    def compare_layer(self, summary: impasto.Summary, target: impasto.Summary) -> Tensor:
        """The larger of the mean distances from picture to style and back: 0 or more, about 1 at most."""
        (mine, counts), (wanted, style_counts) = (
            counted(one) for one in (summary, self.style_of_step(target))
        )
        return relaxed_distance(mine, wanted, counts, style_counts, squared=False)


@impasto.hookimpl
def impasto_losses() -> Iterable[impasto.Offer]:
    return [impasto.Offer("palette", PaletteLoss)]
