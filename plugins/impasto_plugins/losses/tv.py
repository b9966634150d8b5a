"""Total variation: how much neighboring pixels differ. It calms noise, and blurs if it is strong.

Mahendran and Vedaldi, "Understanding Deep Image Representations by Inverting Them", CVPR 2015:
``squared`` is β = 2. ``absolute`` is the form that Rudin, Osher and Fatemi, 1992, made known, taken along
rows and columns. ``nine_point`` adds the diagonals, so that all directions cost alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

import impasto


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
        down = near[..., 1:, :width] - near[..., :-1, :width]
        across = near[..., :height, 1:] - near[..., :height, :-1]
        if self.form == "absolute":
            variation = down.abs().sum() + across.abs().sum()
        else:
            variation = down.square().sum() + across.square().sum()
        if self.form == "nine_point":
            variation = (variation + diagonal(near) / 2) / 2
        return {"variation": variation, "pixels": down.new_full((), feature[0, 0].numel())}

    def compare_layer(self, summary: impasto.Summary, target: impasto.Summary) -> Tensor:
        return summary["variation"] / summary["pixels"]


def diagonal(feature: Tensor) -> Tensor:
    """Sum of squared differences along both diagonals, no dimensions."""
    falling = feature[..., 1:, 1:] - feature[..., :-1, :-1]
    rising = feature[..., 1:, :-1] - feature[..., :-1, 1:]
    return torch.stack([falling.square().sum(), rising.square().sum()]).sum()


@impasto.hookimpl
def impasto_losses() -> Iterable[impasto.Offer]:
    return [impasto.Offer("tv", TotalVariation)]
