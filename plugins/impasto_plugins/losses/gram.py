"""Gram loss: how far the correlations between feature channels are from those of the style picture.

Gatys, Ecker and Bethge, "Image Style Transfer Using Convolutional Neural Networks", CVPR 2016, eq. 3 to 5.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

import impasto
from impasto.plugin import STYLE_LAYERS, constant, full
from impasto_plugins.losses.products import sum_of_products

RECENT = 8
"""Targets whose scaled matrices are kept, of several styles and masks."""


class _Known(NamedTuple):
    """What a comparison needs and no step changes."""

    wanted: list[Tensor]
    """Gram matrices of the target, for as many pixels as the canvas has."""
    divisors: Tensor
    """(layers,)."""
    weights: Tensor
    """Of the layers, (layers,)."""


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
        self._recent: list[tuple[list[Tensor], _Known]] = []

    def summarize_layer(self, feature: Tensor) -> impasto.Summary:
        """``gram``: the sum over pixels of x xᵀ, (N, N); ``pixels``: their number, no dimensions."""
        products = sum_of_products(feature)
        return {"gram": products, "pixels": constant(feature[0, 0].numel(), products)}

    def summarize_region(self, feature: Tensor, mask: Tensor) -> impasto.Summary:
        return {"gram": sum_of_products(feature, mask), "pixels": full(mask).sum()}

    def compare(
        self, summary: Mapping[str, impasto.Summary], target: Mapping[str, impasto.Summary]
    ) -> Tensor:
        found = [summary[layer] for layer in self.layers]
        parts, weights = self._compared(found, [target[layer] for layer in self.layers])
        return (weights * parts).sum()

    def compare_layer(self, summary: impasto.Summary, target: impasto.Summary) -> Tensor:
        return self._compared([summary], [target])[0][0]

    def _compared(
        self, summaries: Sequence[impasto.Summary], targets: Sequence[impasto.Summary]
    ) -> tuple[Tensor, Tensor]:
        """The comparison of each layer, (layers,), computed together; and the layers' weights, (layers,)."""
        wanted, divisors, weights = self._known([one["pixels"] for one in summaries], targets)
        # Few passes over these matrices: at 128 pixels each is a hundredth of a step.
        squares = [
            mse_loss(one["gram"], other, reduction="sum")
            for one, other in zip(summaries, wanted, strict=True)
        ]
        return torch.stack(squares) / divisors, weights

    def _known(self, pixels: Sequence[Tensor], targets: Sequence[impasto.Summary]) -> _Known:
        """What does not change from step to step, computed once for the same tensors."""
        if torch.compiler.is_compiling():
            return self._scaled(torch.stack(list(pixels)), targets)
        given = [*pixels, *(one["gram"] for one in targets), *(one["pixels"] for one in targets)]
        for known, found in self._recent:
            if len(known) == len(given) and all(map(_same, known, given)):
                return found
        found = self._scaled(torch.stack(list(pixels)), targets)
        self._recent = [*self._recent[1 - RECENT :], (given, found)]
        return found

    @torch.no_grad()
    def _scaled(self, pixels: Tensor, targets: Sequence[impasto.Summary]) -> _Known:
        weights = torch.stack([constant(weight, pixels) for weight in self.layer_weights])
        ratios = (pixels / torch.stack([one["pixels"] for one in targets])).unbind()
        wanted = [one["gram"] * ratio for one, ratio in zip(targets, ratios, strict=True)]
        channels = [one.shape[0] for one in wanted]
        if self.normalization == "paper":
            divisors = self._numbers(4, 2, channels, pixels) * pixels.square()
            return _Known(wanted, divisors, weights)
        if self.normalization == "notebook":
            return _Known(wanted, self._numbers(1, 3, channels, pixels) * pixels, weights)
        # A layer on which the style picture is black has a Gram matrix of zeros.
        norms = torch.stack([torch.linalg.vector_norm(one) for one in wanted]) / pixels
        divisors = norms.square().clamp_min(1e-12) * pixels.square()
        return _Known(wanted, divisors, weights)

    def __getstate__(self) -> dict[str, Any]:
        # A copy may be moved to another device.
        return {**vars(self), "_recent": []}

    @staticmethod
    def _numbers(factor: int, power: int, channels: Sequence[int], like: Tensor) -> Tensor:
        """A factor times a power of the channels of each layer."""
        return torch.stack([like.new_full((), factor * one**power) for one in channels])


def _same(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are one; or equal numbers, as those of pixels that are added over tiles."""
    if one is other:
        return True
    numbers = one.dim() == other.dim() == 0 and one.device == other.device
    # Of another device one would have to wait.
    return numbers and one.device.type == "cpu" and bool(one == other)


@impasto.hookimpl
def impasto_losses() -> Iterable[impasto.Offer]:
    return [impasto.Offer("gram", GramLoss)]
