"""Laplacian loss: edges and details stay where they are in the content picture.

Li, Xu, Nie and Chua, "Laplacian-Steered Neural Style Transfer" (Lapstyle), ACM Multimedia 2017.
Departures: relative to the content's own Laplacian; the mean over the pool sizes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, mse_loss

import impasto
from impasto.plugin import around

STENCIL = ((0.0, -1.0, 0.0), (-1.0, 4.0, -1.0), (0.0, -1.0, 0.0))

LEAST = 1e-4
"""A content picture with a smaller mean square of its Laplacian, in [0, 1]², counts as having this."""


class LaplacianLoss(impasto.Loss):
    """Squared difference of image Laplacians from the content's (Lapstyle; Li et al. 2017)."""

    target = "content"
    layers = ("image",)
    summary = "whole"
    stencil: Tensor

    def __init__(
        self,
        weight: impasto.Weight = 5.0,
        pool_sizes: Annotated[
            tuple[Annotated[int, Field(ge=1)], ...],
            Field(min_length=1, description="pixels that are averaged first, for each Laplacian"),
        ] = (4,),
        fade: impasto.Fade = 0.0,
    ) -> None:
        super().__init__(weight)
        self.pool_sizes, self.fade = pool_sizes, fade
        self.register_buffer("stencil", torch.tensor(STENCIL), persistent=False)

    def summarize_layer(self, feature: Tensor) -> impasto.Summary:
        """By size of pool: the Laplacian summed over red, green and blue, (1, 1, h, w).

        Raises:
            SettingsError: the picture is smaller than three pools.
        """
        if min(feature.shape[2:]) < 3 * max(self.pool_sizes):
            raise impasto.SettingsError(
                f"loss 'laplacian': pool_sizes={max(self.pool_sizes)} needs a picture of at least"
                f" {3 * max(self.pool_sizes)} pixels each way"
            )
        pooled = {pool: avg_pool2d(self._whole(feature, pool), pool) for pool in self.pool_sizes}
        return {
            str(pool): laplacian(self.around(one, 1, 1), self.stencil)
            for pool, one in pooled.items()
        }

    def _whole(self, feature: Tensor, pool: int) -> Tensor:
        """The picture made up to whole pools along the axes that wrap."""
        for axis in self.wraps:
            feature = around(feature, 0, -feature.shape[axis] % pool, (axis,))
        return feature

    def compare_layer(self, summary: impasto.Summary, target: impasto.Summary) -> Tensor:
        """Mean squared difference over the content's mean square: 0 or more, mean over the pools."""
        parts = [
            mse_loss(summary[pool], target[pool], reduction="sum")
            / target[pool].numel()
            / target[pool].square().mean().clamp_min(LEAST)
            for pool in target
        ]
        return torch.stack(parts).mean() if len(parts) > 1 else parts[0]


def laplacian(image: Tensor, stencil: Tensor) -> Tensor:
    """(1, 3, h, w) → (1, 1, h - 2, w - 2): four times a pixel less its neighbors, colors summed."""
    return conv2d(image, stencil.to(image).expand(1, image.shape[1], 3, 3))


@impasto.hookimpl
def impasto_losses() -> Iterable[impasto.Offer]:
    return [impasto.Offer("laplacian", LaplacianLoss)]
