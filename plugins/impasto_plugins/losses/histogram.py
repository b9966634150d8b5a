"""Histogram loss: each feature channel takes on the style picture's histogram.

Risser, Wilmot and Barnes, "Stable and Controllable Neural Texture Synthesis and Style Transfer Using
Histogram Losses", 2017; there together with Gram, against its washed-out patches. Departures: histograms
are matched exactly, by ranks, not through 256 bins; the distance is relative to the style's mean square.
"""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor

import impasto
from impasto_plugins.losses.points import relative_rank_difference

LAYERS = ("conv1_1", "conv2_1", "conv3_1", "conv4_1")


class HistogramLoss(impasto.Loss):
    """Difference of features from features with the style's histograms (Risser et al. 2017)."""

    summary = "whole"

    def __init__(
        self,
        weight: impasto.Weight = 100.0,
        layers: impasto.Layers = LAYERS,
        layer_weights: impasto.LayerWeights = (),
    ) -> None:
        super().__init__(weight, layers, layer_weights)

    def summarize_layer(self, feature: Tensor) -> impasto.Summary:
        """``ranked``: the values of each channel, ascending, (C, pixels)."""
        return {"ranked": feature.flatten(2)[0].sort(1).values}

    def compare_layer(self, summary: impasto.Summary, target: impasto.Summary) -> Tensor:
        """Mean squared difference of values of equal rank, over the style's mean square: 0 or more."""
        return relative_rank_difference(summary["ranked"], target["ranked"])


@impasto.hookimpl
def impasto_losses() -> Iterable[impasto.Offer]:
    return [impasto.Offer("histogram", HistogramLoss)]
