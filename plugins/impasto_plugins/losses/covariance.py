"""Means and covariances of hypercolumns, drawn to those of the style.

Kolkin, Salavon and Shakhnarovich, "Style Transfer by Relaxed Optimal Transport and Self-Similarity"
(STROTSS), CVPR 2019, its moment term, which holds the strength of features that a cosine does not see.
Departure: the style's are those of a fixed sample.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

import impasto
from impasto.plugin import STYLE_LAYERS, HypercolumnLoss, Redraw
from impasto_plugins.losses.products import sums_of


class CovarianceLoss(HypercolumnLoss):
    """Means and covariances of hypercolumns, those of the style (STROTSS; Kolkin et al. 2019)."""

    def __init__(
        self,
        weight: impasto.Weight = 1.0,
        layers: impasto.Layers = STYLE_LAYERS,
        samples: Annotated[
            int, Field(ge=2, description="hypercolumns of a style picture that are looked at")
        ] = 4096,
        hypercolumns: Annotated[
            int, Field(ge=2, le=65536, description="places at which all layers are read as one")
        ] = 1024,
        redraw: Redraw = 1,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(weight, layers)
        self.sample(hypercolumns, redraw, samples, generator)

    def summarize_layer(self, feature: Tensor) -> impasto.Summary:
        """Sums over pixels: ``sum`` of x, (C,); ``product`` of x xᵀ, (C, C); ``pixels``: their number."""
        return sums_of(feature)

    def summarize_region(self, feature: Tensor, mask: Tensor) -> impasto.Summary:
        sums = sums_of(feature, mask)
        # None of the sampled places may lie in it.
        return {**sums, "pixels": sums["pixels"].clamp_min(1e-6)}

    def compare_layer(self, summary: impasto.Summary, target: impasto.Summary) -> Tensor:
        """Mean |μ - μ'| over channels plus mean |Σ - Σ'| over pairs of them: 0 or more."""
        (mean, covariance), (wanted_mean, wanted) = moments(summary), moments(target)
        return (mean - wanted_mean).abs().mean() + (covariance - wanted).abs().mean()


def moments(summary: impasto.Summary) -> tuple[Tensor, Tensor]:
    """Mean, (C,), and covariance, (C, C), from sums over pixels."""
    mean = summary["sum"] / summary["pixels"]
    return mean, summary["product"] / summary["pixels"] - mean.outer(mean)


@impasto.hookimpl
def impasto_losses() -> Iterable[impasto.Offer]:
    return [impasto.Offer("covariance", CovarianceLoss)]
