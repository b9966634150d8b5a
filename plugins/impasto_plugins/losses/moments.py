"""Moments loss: how far means and standard deviations of channels are from the style picture's.

Li, Wang, Liu and Hou, "Demystifying Neural Style Transfer", IJCAI 2017 (matching of batch normalization
statistics); the same numbers as in the style loss of Huang and Belongie, "Arbitrary Style Transfer in
Real-time with Adaptive Instance Normalization", ICCV 2017. Departures: relative to the style's
own moments, and a variance of at least ``LEAST``.
"""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor

import impasto
from impasto.plugin import STYLE_LAYERS, constant

LEAST = 1e-6
"""Added to each variance, for features with a mean near one: a root has no slope at zero."""


class MomentsLoss(impasto.Loss):
    """Means and deviations of features, those of the style picture (Li et al. 2017, "Demystifying")."""

    def __init__(
        self,
        weight: impasto.Weight = 50.0,
        layers: impasto.Layers = STYLE_LAYERS,
        layer_weights: impasto.LayerWeights = (),
    ) -> None:
        super().__init__(weight, layers, layer_weights)

    def summarize_layer(self, feature: Tensor) -> impasto.Summary:
        """``sum`` and ``square``: sums over pixels of x and x², (C,); ``pixels``: their number."""
        flat = feature.flatten(2)[0]
        return {
            "sum": flat.sum(1),
            "square": flat.square().sum(1),
            "pixels": constant(flat.shape[1], flat),
        }

    def summarize_region(self, feature: Tensor, mask: Tensor) -> impasto.Summary:
        flat, weights = feature.flatten(2)[0], mask.to(feature).flatten()
        return {
            "sum": (flat * weights).sum(1),
            "square": (flat.square() * weights).sum(1),
            "pixels": weights.sum(),
        }

    def compare_layer(self, summary: impasto.Summary, target: impasto.Summary) -> Tensor:
        """(|μ - μ'|² + |σ - σ'|²) / (|μ'|² + |σ'|²), with μ' and σ' of the style: 0 or more."""
        mean, deviation = moments(summary)
        wanted_mean, wanted_deviation = moments(target)
        square = (mean - wanted_mean).square() + (deviation - wanted_deviation).square()
        scale = wanted_mean.square() + wanted_deviation.square()
        return square.sum() / scale.sum()


def moments(summary: impasto.Summary) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel, (C,) each, from sums over pixels."""
    mean = summary["sum"] / summary["pixels"]
    variance = summary["square"] / summary["pixels"] - mean.square()
    # The difference of two sums can come out below zero by rounding.
    return mean, (variance.clamp_min(0) + LEAST).sqrt()


@impasto.hookimpl
def impasto_losses() -> Iterable[impasto.Offer]:
    return [impasto.Offer("moments", MomentsLoss)]
