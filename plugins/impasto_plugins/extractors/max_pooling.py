"""Maximum pooling that keeps nothing of its input, only where each maximum was.

torch keeps the input, too, though its gradient has no need of the values. Values and gradients are those
of ``max_pool2d(x, 2)``, bit for bit.

On a GPU it is torch's own. Compiled, as is the default there, places are kept as a byte each. Not compiled,
torch keeps eight; of four poolings in bfloat16, each way, that is 8 operations a step, and 11 bytes moved for
each number pooled. What was thought of instead costs more: 4 bytes for each place, 16 operations; no places,
but comparing the input with its maxima, shared where several are equal, 20 operations and 12.5 bytes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from impasto_plugins.extractors.operation import laid_out

TWO, NONE, ONE = [2, 2], [0, 0], [1, 1]
"""Kernel and stride, padding, dilation."""
LONGEST = 2**15 - 1
"""Width from which on a place in a window's second row needs more than 16 bits, pixels."""


def max_pooled(feature: Tensor) -> Tensor:
    """The largest of each 2 × 2: (1, C, h, w) → (1, C, h // 2, w // 2)."""
    if feature.device.type not in ("cpu", "meta"):
        found: Tensor = max_pool2d(feature, 2)
        return found
    if torch.compiler.is_compiling():
        # On processors what the compiler makes of it takes longer, forward and backward.
        compiled: Tensor = _compiled(feature)[0]
        return compiled
    pooled: Tensor = _MaxPooled.apply(feature)
    return pooled


class _MaxPooled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, feature: Tensor) -> Tensor:
        short = feature.shape[3] < LONGEST
        pooled, places = _forward(feature, torch.int16 if short else torch.int32)
        ctx.save_for_backward(places)
        ctx.size = feature.shape[2:]
        return pooled

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _backward(gradients[0], ctx.saved_tensors[0], *ctx.size)


def _forward(feature: Tensor, kept: torch.dtype) -> tuple[Tensor, Tensor]:
    pooled, places = torch.ops.aten.max_pool2d_with_indices(feature, TWO, TWO, NONE, ONE)
    # Counted from its window's corner a place needs a quarter of the bytes that torch takes for it.
    return pooled, places.sub_(_corners(places, feature.shape[3])).to(kept)


def _backward(gradient: Tensor, places: Tensor, height: int, width: int) -> Tensor:
    # Asked for its size and layout only.
    like = laid_out(gradient, gradient.shape[1], height, width)
    if gradient.is_meta:
        return like
    backward = torch.ops.aten.max_pool2d_with_indices_backward
    whole = places.long().add_(_corners(places, width))
    spread: Tensor = backward(gradient, like, TWO, TWO, NONE, ONE, False, whole)
    return spread


def _corners(places: Tensor, width: int) -> Tensor:
    """Where the upper left corner of each window is in its map, (h // 2, w // 2) int64.

    Args:
        places: (1, C, h // 2, w // 2).
        width: w, pixels.
    """
    rows, columns = (
        torch.arange(0, 2 * side, 2, device=places.device) for side in places.shape[2:]
    )
    return rows[:, None] * width + columns


@torch.library.custom_op("impasto::max_pool", mutates_args=())
def _compiled(feature: Tensor) -> tuple[Tensor, Tensor]:
    # The compiler's widths are symbols, which decide nothing.
    return _forward(feature, torch.int32)


@torch.library.custom_op("impasto::max_pool_back", mutates_args=())
def _compiled_back(gradient: Tensor, places: Tensor, height: int, width: int) -> Tensor:
    return _backward(gradient, places, height, width)


@_compiled.register_fake
def _(feature: Tensor) -> tuple[Tensor, Tensor]:
    pooled = laid_out(feature, feature.shape[1], feature.shape[2] // 2, feature.shape[3] // 2)
    return pooled, torch.empty_like(pooled, dtype=torch.int32)


@_compiled_back.register_fake
def _(gradient: Tensor, places: Tensor, height: int, width: int) -> Tensor:
    return laid_out(gradient, gradient.shape[1], height, width)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.save_for_backward(output[1])
    ctx.size = inputs[0].shape[2:]


def _pass_back(ctx: Any, gradient: Tensor, of_places: None) -> Tensor:
    laid = gradient.contiguous(memory_format=torch.channels_last)
    spread: Tensor = _compiled_back(laid, ctx.saved_tensors[0], *ctx.size)
    return spread


_compiled.register_autograd(_pass_back, setup_context=_keep)
