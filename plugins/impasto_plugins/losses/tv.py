"""Total variation: how much neighbouring pixels differ. It calms noise, and blurs if it is strong.

Mahendran and Vedaldi, "Understanding Deep Image Representations by Inverting Them", CVPR 2015, eq. 6
with β = 2.
"""

from __future__ import annotations

from collections.abc import Iterable

import impasto
from torch import Tensor


class TotalVariation(impasto.Loss):
    """Mean squared difference of neighbouring pixels (Mahendran and Vedaldi 2015, eq. 6)."""

    target = "none"

    def __init__(self, weight: impasto.Weight = 1.0) -> None:
        super().__init__(weight)

    def summarize_layer(self, feature: Tensor) -> impasto.Summary:
        down = (feature[..., 1:, :] - feature[..., :-1, :]).square().sum()
        across = (feature[..., :, 1:] - feature[..., :, :-1]).square().sum()
        return {"variation": down + across, "pixels": down.new_tensor(feature[0, 0].numel())}

    def compare_layer(self, summary: impasto.Summary, target: impasto.Summary) -> Tensor:
        return summary["variation"] / summary["pixels"]


@impasto.hookimpl
def impasto_losses() -> Iterable[impasto.Offer]:
    return [impasto.Offer("tv", TotalVariation)]
