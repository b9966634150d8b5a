"""Total variation: how much neighboring pixels differ. It calms noise, and blurs if it is strong.

Mahendran and Vedaldi, "Understanding Deep Image Representations by Inverting Them", CVPR 2015:
``squared`` is β = 2. ``absolute`` is the form that Rudin, Osher and Fatemi, 1992, made known, taken along
rows and columns. ``nine_point`` adds the diagonals, so that all directions cost alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import l1_loss, mse_loss

import impasto
from impasto.plugin import constant


class TotalVariation(impasto.Loss):
    """Mean squared or absolute difference of neighboring pixels (Mahendran and Vedaldi 2015)."""

    target = "none"

    def __init__(
        self,
        weight: impasto.Weight = 1.0,
        form: Annotated[
            Literal["squared", "absolute", "nine_point"], Field(description="what differences cost")
        ] = "squared",
    ) -> None:
        """Choose the form.

        Args:
            weight: factor of the term.
            form: ``squared`` differences down and across blur edges most; ``absolute`` ones leave
                them sharp; ``nine_point`` is the mean of ``squared`` and the same along both
                diagonals, where it costs half, as the neighbors are √2 away.
        """
        super().__init__(weight)
        self.form = form

    def summarize_layer(self, feature: Tensor) -> impasto.Summary:
        """``variation``: sum over pixels and colors; ``pixels``: their number, no dimensions."""
        height, width = feature.shape[2:]
        near = self.around(feature, 0, 1)
        if self.form == "absolute":
            down = l1_loss(near[..., 1:, :width], near[..., :-1, :width], reduction="sum")
            across = l1_loss(near[..., :height, 1:], near[..., :height, :-1], reduction="sum")
            variation = down + across
        else:
            variation = _Squares.apply(near, height, width)
        if self.form == "nine_point":
            variation = (variation + diagonal(near) / 2) / 2
        return {"variation": variation, "pixels": constant(feature[0, 0].numel(), variation)}

    def compare_layer(self, summary: impasto.Summary, target: impasto.Summary) -> Tensor:
        return summary["variation"] / summary["pixels"]


class _Squares(torch.autograd.Function):
    """Sum of squared differences down and across; its gradient takes few operations."""

    @staticmethod
    def forward(ctx: Any, near: Tensor, height: int, width: int) -> Tensor:
        ctx.save_for_backward(near)
        ctx.size = height, width
        down, across = _neighbors(near, height, width)
        return mse_loss(*down, reduction="sum") + mse_loss(*across, reduction="sum")

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (near,) = ctx.saved_tensors
        spread = torch.zeros_like(near)
        pairs = zip(_neighbors(near, *ctx.size), _neighbors(spread, *ctx.size), strict=True)
        for (one, other), (to_one, to_other) in reversed(list(pairs)):
            change = torch.ops.aten.mse_loss_backward(gradients[0], one, other, SUM)
            to_other.sub_(change)
            to_one.add_(change)
        return spread, None, None


SUM = 2
"""Number in torch of the reduction by a sum."""


def _neighbors(near: Tensor, height: int, width: int) -> list[tuple[Tensor, Tensor]]:
    """Views of pixels and of those above them, and of pixels and of those on their left."""
    down = (near[..., 1:, :width], near[..., :-1, :width])
    return [down, (near[..., :height, 1:], near[..., :height, :-1])]


def diagonal(feature: Tensor) -> Tensor:
    """Sum of squared differences along both diagonals, no dimensions."""
    falling: Tensor = mse_loss(feature[..., 1:, 1:], feature[..., :-1, :-1], reduction="sum")
    rising: Tensor = mse_loss(feature[..., 1:, :-1], feature[..., :-1, 1:], reduction="sum")
    return falling + rising


@impasto.hookimpl
def impasto_losses() -> Iterable[impasto.Offer]:
    return [impasto.Offer("tv", TotalVariation)]
