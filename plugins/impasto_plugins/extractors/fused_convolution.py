"""A convolution, its bias and ReLU as one kernel of cuDNN's, with a gradient for the feature."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from impasto.plugin import convolution_with_relu


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, feature: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        output = convolution_with_relu(feature, weight, bias)
        ctx.save_for_backward(feature, weight, output)
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        feature, weight, output = ctx.saved_tensors
        gradient = torch.ops.aten.threshold_backward(gradients[0], output, 0)
        back: Tensor = torch.ops.aten.convolution_backward(
            gradient, feature, weight, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1,
            [True, False, False],
        )[0]  # fmt: skip
        return back, None, None


def convolved(feature: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """relu(conv(x)): (1, incoming, h, w) → (1, outgoing, h, w); no gradient for weights.

    Args:
        feature: (1, incoming, h, w), on CUDA; it is padded by one pixel of zeros.
        weight: (outgoing, incoming, 3, 3).
        bias: (outgoing,).
    """
    output: Tensor = _Fused.apply(feature, weight, bias)
    return output
