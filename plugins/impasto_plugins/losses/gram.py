"""Gram loss: how far the correlations between feature channels are from those of the style picture.

Gatys, Ecker and Bethge, "Image Style Transfer Using Convolutional Neural Networks", CVPR 2016, eq. 3 to 5.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

import impasto
from impasto.plugin import STYLE_LAYERS, full
from impasto_plugins.losses.products import sum_of_products


class GramLoss(impasto.Loss):
    """Squared difference of Gram matrices from the style picture's (Gatys et al. 2016, eq. 3-5)."""

    precision = "network"

    def __init__(
        self,
        weight: impasto.Weight = 100.0,
        layers: impasto.Layers = STYLE_LAYERS,
        layer_weights: impasto.LayerWeights = (),
        normalization: Literal["relative", "paper", "notebook"] = "relative",
    ) -> None:
        """Choose layers, their weights and the normalization.

        With G the Gram matrix of a layer with N channels and M pixels, A that of the style picture:

        Args:
            weight: factor of the term.
            layers: layers that are compared.
            layer_weights: one for each layer; none weighs all alike, with a sum of one (eq. 5).
            normalization: ``relative`` is |G/M - A/M|² / |A/M|², free of scale: a layer that has
                nothing of the style counts about one, whatever the network, the layer or the size.
                ``paper`` is |G - A|² / (4 N² M²) (eq. 4). ``notebook`` is the mean square of G - A,
                divided by N·M. Both take A for as many pixels as the canvas has, so that a style
                picture of another size fits too.
        """
        super().__init__(weight, layers, layer_weights)
        self.normalization = normalization

    def summarize_layer(self, feature: Tensor) -> impasto.Summary:
        """``gram``: the sum over pixels of x xᵀ, (N, N); ``pixels``: their number, no dimensions."""
        products = sum_of_products(feature)
        return {"gram": products, "pixels": products.new_full((), feature[0, 0].numel())}

    def summarize_region(self, feature: Tensor, mask: Tensor) -> impasto.Summary:
        return {"gram": sum_of_products(feature, mask), "pixels": full(mask).sum()}

    def compare_layer(self, summary: impasto.Summary, target: impasto.Summary) -> Tensor:
        channels, pixels = target["gram"].shape[0], summary["pixels"]
        # Few passes over these matrices: at 128 pixels each is a hundredth of a step.
        wanted = target["gram"] * (pixels / target["pixels"])
        square: Tensor = mse_loss(summary["gram"], wanted, reduction="sum")
        if self.normalization == "paper":
            return square / (4 * channels**2 * pixels.square())
        if self.normalization == "notebook":
            return square / (channels**3 * pixels)
        # A layer on which the style picture is black has a Gram matrix of zeros.
        norm: Tensor = torch.linalg.vector_norm(wanted) / pixels
        return square / (norm.square().clamp_min(1e-12) * pixels.square())


@impasto.hookimpl
def impasto_losses() -> Iterable[impasto.Offer]:
    return [impasto.Offer("gram", GramLoss)]
