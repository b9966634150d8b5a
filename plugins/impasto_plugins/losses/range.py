"""A pull into [0, 1]: pixels that cannot be shown cost the square of how far they are outside.

The squared form of the bounded-range term of Mahendran and Vedaldi, "Visualizing Deep Convolutional
Neural Networks Using Natural Pre-images", IJCV 2016. Departure: nothing inside costs.
"""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor

import impasto
from impasto.plugin import constant


class RangeLoss(impasto.Loss):
    """Mean squared distance of pixel values from [0, 1] (as Mahendran and Vedaldi 2016)."""

    target = "none"

    def __init__(self, weight: impasto.Weight = 100.0) -> None:
        super().__init__(weight)

    def summarize_layer(self, feature: Tensor) -> impasto.Summary:
        """``outside``: sum over pixels and colors; ``pixels``: their number, no dimensions."""
        outside = (feature - feature.clamp(0, 1)).square().sum()
        return {"outside": outside, "pixels": constant(feature[0, 0].numel(), outside)}

    def compare_layer(self, summary: impasto.Summary, target: impasto.Summary) -> Tensor:
        return summary["outside"] / (3 * summary["pixels"])


@impasto.hookimpl
def impasto_losses() -> Iterable[impasto.Offer]:
    return [impasto.Offer("range", RangeLoss)]
