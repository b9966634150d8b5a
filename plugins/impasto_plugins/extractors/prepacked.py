"""Convolutions with prepacked weights: in the memory layout that oneDNN wants for this processor.

torch has no public names for these; not every build has them.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass

import torch
from torch import Tensor

EACH_SIDE = [1, 1]
"""Padding, stride and dilation of a 3 × 3 convolution that keeps the size."""

# Tried on this kind of processor only.
ABLE = platform.machine() in ("x86_64", "AMD64") and torch._C._has_mkldnn
BFLOAT16 = ABLE and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


@dataclass(frozen=True)
class Prepacked:
    """Prepacked weights of one convolution, and of its backward pass."""

    size: torch.Size
    """Shape of the input that they are prepacked for."""
    forwards: Tensor
    backwards: Tensor
    """From the gradient of the output to that of the input."""
    bias: Tensor

    def serves(self, size: torch.Size) -> bool:
        """Whether the weights are prepacked for an input of this size."""
        return size == self.size

    def convolved(self, feature: Tensor) -> Tensor:
        """The convolution: (1, incoming, h, w) → (1, outgoing, h, w)."""
        return _convolution(feature, self.forwards, self.bias)

    def passed_back(self, gradient: Tensor) -> Tensor:
        """The gradient of its output → that of its input."""
        return _convolution(gradient, self.backwards, None)


def can_prepack(feature: Tensor) -> bool:
    """Whether weights can be prepacked for features of this device and precision.

    Not for subclasses of Tensor, such as fake tensors: the operators take plain tensors only.
    """
    if feature.device.type != "cpu" or type(feature) is not Tensor:
        return False
    return BFLOAT16 if feature.dtype == torch.bfloat16 else ABLE and feature.dtype == torch.float32


def prepack(kernel: Tensor, bias: Tensor, size: torch.Size) -> Prepacked:
    """Prepack the weights of a convolution for one size of input.

    Args:
        kernel: (outgoing, incoming, 3, 3).
        bias: (outgoing,).
        size: of the input, (1, incoming, h, w).
    """
    turned = kernel.flip(2, 3).transpose(0, 1).contiguous()
    of_output = [size[0], kernel.shape[0], *size[2:]]
    return Prepacked(size, _reordered(kernel, list(size)), _reordered(turned, of_output), bias)


def _convolution(feature: Tensor, weights: Tensor, bias: Tensor | None) -> Tensor:
    convolve = torch.ops.mkldnn._convolution_pointwise
    output: Tensor = convolve(
        feature, weights, bias, EACH_SIDE, EACH_SIDE, EACH_SIDE, 1, "none", [], None
    )
    return output


def _reordered(kernel: Tensor, size: list[int]) -> Tensor:
    reorder = torch.ops.mkldnn._reorder_convolution_weight
    weights: Tensor = reorder(kernel, EACH_SIDE, EACH_SIDE, EACH_SIDE, 1, size)
    return weights
