"""Maximum pooling that keeps nothing of its input, only where each maximum was.

torch keeps the input, too, though its gradient has no need of the values. Values and gradients are those
of ``max_pool2d(x, 2)``, bit for bit.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

TWO, NONE, ONE = [2, 2], [0, 0], [1, 1]
"""Kernel and stride, padding, dilation."""


def max_pooled(feature: Tensor) -> Tensor:
    """The largest of each 2 × 2: (1, C, h, w) → (1, C, h // 2, w // 2)."""
    if torch.compiler.is_compiling():
        # The compiler's own keeps no more.
        return max_pool2d(feature, 2)
    pooled: Tensor = _MaxPooled.apply(feature)
    return pooled


class _MaxPooled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, feature: Tensor) -> Tensor:
        pooled, places = torch.ops.aten.max_pool2d_with_indices(feature, TWO, TWO, NONE, ONE)
        # Places in a map of less than 2³¹ pixels need half of what torch takes for them.
        ctx.save_for_backward(places.int())
        ctx.size = feature.shape
        return pooled  # type: ignore[no-any-return]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (places,), (gradient,) = ctx.saved_tensors, gradients
        # Asked for its size and layout only; memory that is never touched takes none.
        like = torch.empty(
            ctx.size,
            dtype=gradient.dtype,
            device=gradient.device,
            memory_format=torch.channels_last,
        )
        if gradient.is_meta:
            return like
        backward = torch.ops.aten.max_pool2d_with_indices_backward
        spread: Tensor = backward(gradient, like, TWO, TWO, NONE, ONE, False, places.long())
        return spread
