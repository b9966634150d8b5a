"""A canvas of a Laplacian pyramid: what each size adds to the next smaller one, and the smallest.

Burt and Adelson, "The Laplacian Pyramid as a Compact Image Code", 1983. Optimized as it is in Kolkin, Salavon
and Shakhnarovich, "Style Transfer by Relaxed Optimal Transport and Self-Similarity" (STROTSS), CVPR 2019: one
number of a coarse level moves many pixels, so that broad changes of light and color take few steps.
Departure: sizes are halved by means of four pixels and doubled bilinearly, not by a Gaussian of five taps.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

import impasto


class Laplacian(impasto.Canvas):
    """A Laplacian pyramid, so that broad changes take few steps (Burt and Adelson 1983).

    Any picture has a pyramid, and the picture of a new canvas is the one that it was made from. Where all
    levels agree, a step of r in each of n levels moves a pixel by n · r. Broad changes reach across the
    border of a mask; regions are kept apart best on ``pixels``.
    """

    def __init__(
        self,
        image: Tensor,
        levels: Annotated[
            int,
            Field(ge=1, le=16, description="sizes, each half the one before; 1 is plain pixels"),
        ] = 5,
    ) -> None:
        super().__init__()
        parts: list[Tensor] = []
        while len(parts) < levels - 1 and max(image.shape[2:]) > 1:
            smaller = halved(image)
            parts.append(image - enlarged(smaller, image))
            image = smaller
        self.levels = nn.ParameterList([
            nn.Parameter(part.clone(memory_format=torch.contiguous_format)) for part in [*parts, image]
        ])  # fmt: skip
        """From fine to coarse, (1, 3, H, W) each; the last is a small picture, the others are differences."""

    def forward(self) -> Tensor:
        *parts, image = self.levels
        made: Tensor = image
        for part in reversed(parts):
            made = part + enlarged(made, part)
        return made


def halved(image: Tensor) -> Tensor:
    """The picture at half its size, rounded up: the mean of each square of two by two pixels."""
    return avg_pool2d(image, 2, ceil_mode=True, count_include_pad=False)


def enlarged(image: Tensor, like: Tensor) -> Tensor:
    """The picture at twice its size, bilinear, cut to the size of another."""
    # Not by interpolate, whose gradient differs from run to run on CUDA.
    return doubled(doubled(image, 2, like.shape[2]), 3, like.shape[3])


def doubled(image: Tensor, axis: int, length: int) -> Tensor:
    """The picture with two pixels for each along an axis, cut to a length."""
    last = image.shape[axis] - 1
    before = torch.cat([image.narrow(axis, 0, 1), image.narrow(axis, 0, last)], axis)
    after = torch.cat([image.narrow(axis, 1, last), image.narrow(axis, last, 1)], axis)
    near = 0.75 * image
    pairs = torch.stack([near + 0.25 * before, near + 0.25 * after], axis + 1)
    return pairs.flatten(axis, axis + 1).narrow(axis, 0, length)


@impasto.hookimpl
def impasto_canvases() -> Iterable[impasto.Offer]:
    return [impasto.Offer("laplacian", Laplacian)]
