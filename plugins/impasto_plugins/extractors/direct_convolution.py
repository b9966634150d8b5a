"""Direct convolution as an operation that torch's compiler need not look into.

What the compiler makes of torch's own fixes the sizes of the picture in the backward pass, so that each
stage would be compiled anew. Values and gradients are those of ``conv2d`` padded by one pixel of zeros.
"""

from __future__ import annotations

import torch
from torch import Tensor

from impasto_plugins.extractors.operation import laid_out, operation, with_gradient


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
    return laid_out(feature, weight.shape[1 if backwards else 0], *feature.shape[2:])


torch.library.register_fake("impasto::convolve", _shaped)
convolved = with_gradient(_convolved)
"""3 × 3 convolution: feature, (1, incoming, h, w), weight and bias → (1, outgoing, h, w), channels last; no
gradient for weights."""
