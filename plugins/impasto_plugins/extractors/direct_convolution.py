"""Direct convolution as an operation that torch's compiler need not look into.

What the compiler makes of torch's own fixes the sizes of the picture in the backward pass, so that each
stage would be compiled anew. Values and gradients are those of ``conv2d`` padded by one pixel of zeros.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from impasto_plugins.extractors.operation import operation


def convolved(feature: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """3 × 3 convolution: (1, incoming, h, w) → (1, outgoing, h, w); no gradient for weights."""
    output: Tensor = _Convolved.apply(feature, weight, bias)
    return output


class _Convolved(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, feature: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(weight)
        return _convolved(feature, weight, bias, False)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (weight,) = ctx.saved_tensors
        return _convolved(gradients[0], weight, None, True), None, None


@operation("impasto::convolve")
def _convolved(feature: Tensor, weight: Tensor, bias: Tensor | None, backwards: bool) -> Tensor:
    if not backwards:
        output = torch.conv2d(feature, weight, bias, padding=1)
    else:
        # Asked for its size only.
        like = _shaped(feature, weight, bias, backwards)
        output = torch.ops.aten.convolution_backward(
            feature, like, weight, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1,
            [True, False, False],
        )[0]  # fmt: skip
    return output.contiguous(memory_format=torch.channels_last)


def _shaped(feature: Tensor, weight: Tensor, bias: Tensor | None, backwards: bool) -> Tensor:
    channels = weight.shape[1 if backwards else 0]
    made = feature.new_empty((feature.shape[0], channels, *feature.shape[2:]))
    return made.contiguous(memory_format=torch.channels_last)


torch.library.register_fake("impasto::convolve", _shaped)
