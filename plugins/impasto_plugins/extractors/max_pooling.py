"""Maximum pooling that remembers in one byte where each maximum was.

torch remembers it in eight, four times what the pooled feature itself takes in bfloat16. Values and
gradients are those of ``max_pool2d(x, 2)``, bit for bit.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d


def max_pooled(feature: Tensor) -> Tensor:
    """The largest of each 2 × 2: (1, C, h, w) → (1, C, h // 2, w // 2)."""
    if torch.compiler.is_compiling():
        # The compiler's own remembers it in one byte, too.
        return max_pool2d(feature, 2)
    pooled: Tensor = _MaxPooled.apply(feature)
    return pooled


class _MaxPooled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, feature: Tensor) -> Tensor:
        (first, second), (third, fourth) = corners(feature)
        upper, lower = torch.maximum(first, second), torch.maximum(third, fourth)
        # Of equals the first one gets the gradient, as in torch.
        positions = torch.where(lower > upper, (fourth > third).byte() + 2, (second > first).byte())
        ctx.save_for_backward(positions)
        ctx.size = feature.shape
        return torch.maximum(upper, lower)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (positions,) = ctx.saved_tensors
        (gradient,) = gradients
        spread = torch.empty(
            ctx.size,
            dtype=gradient.dtype,
            device=gradient.device,
            memory_format=torch.channels_last,
        )
        height, width = gradient.shape[2:]
        # An odd row or column at the end has no part in any maximum.
        spread[:, :, 2 * height :] = 0
        spread[:, :, :, 2 * width :] = 0
        flat = [corner for row in corners(spread) for corner in row]
        for position, corner in enumerate(flat):
            corner.copy_(gradient.where(positions == position, 0))
        return spread


def corners(feature: Tensor) -> list[list[Tensor]]:
    """Views of the upper left, upper right, lower left and lower right of each 2 × 2."""
    height, width = (side // 2 * 2 for side in feature.shape[2:])
    return [[feature[:, :, y:height:2, x:width:2] for x in (0, 1)] for y in (0, 1)]
