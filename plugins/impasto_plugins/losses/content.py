"""Content loss: how far the features are from those of the content picture.

Gatys, Ecker and Bethge, "Image Style Transfer Using Convolutional Neural Networks", CVPR 2016, eq. 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from torch import Tensor
from torch.nn.functional import mse_loss

import impasto


class ContentLoss(impasto.Loss):
    """Squared difference of features from the content picture's (Gatys et al. 2016, eq. 1)."""

    target = "content"
    summary = "map"

    def __init__(
        self,
        weight: impasto.Weight = 1.0,
        layers: impasto.Layers = ("conv4_2",),
        layer_weights: impasto.LayerWeights = (),
        normalization: Literal["mean", "paper"] = "mean",
        fade: impasto.Fade = 0.0,
    ) -> None:
        """Choose layers and normalization.

        Args:
            weight: factor of the term.
            layers: layers that are compared.
            layer_weights: one for each layer.
            normalization: ``mean`` is the mean squared difference; ``paper`` is half the sum, as in
                eq. 1, which grows with the number of pixels.
            fade: at n times 128 pixels the term is divided by this power of n.
        """
        super().__init__(weight, layers, layer_weights)
        self.normalization, self.fade = normalization, fade

    def summarize_layer(self, feature: Tensor) -> impasto.Summary:
        return {"feature": feature}

    def compare_layer(self, summary: impasto.Summary, target: impasto.Summary) -> Tensor:
        feature = summary["feature"]
        square: Tensor = mse_loss(feature, target["feature"], reduction="sum")
        return square / (feature.numel() if self.normalization == "mean" else 2)


@impasto.hookimpl
def impasto_losses() -> Iterable[impasto.Offer]:
    return [impasto.Offer("content", ContentLoss)]
