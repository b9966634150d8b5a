"""The sum over pixels of x xᵀ: what Gram matrices and covariances are made of.

Not a plugin: several losses use it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from impasto.plugin import constant, full, sum_of_outer_products

AT_ONCE = 2**16
"""Pixels that are summed at once: the copy in full precision stays small, and so do rounding errors."""


def sum_of_products(feature: Tensor, mask: Tensor | None = None) -> Tensor:
    """Σ x xᵀ over the pixels, summed in float32 at least.

    In half precision a large picture's sums would overflow or lose the digits in which it differs from
    the style. The gradient goes back in the precision of the features, as theirs does anyway.

    Args:
        feature: (1, C, h, w), in the network's precision.
        mask: (1, 1, h, w), by which each pixel counts; None counts all as one.

    Returns:
        (C, C), float32 or float64.
    """
    compiling = torch.compiler.is_compiling()
    products: Tensor = (_compiled if compiling else _SumOfProducts.apply)(feature, mask)
    return products


def sums_of(feature: Tensor, mask: Tensor | None = None) -> dict[str, Tensor]:
    """What means and covariances are made of, over the pixels: ``sum`` of x, ``product`` of x xᵀ, ``pixels``.

    Args:
        feature: (1, C, h, w), in the network's precision.
        mask: (1, 1, h, w), by which each pixel counts; None counts all as one.

    Returns:
        (C,), (C, C) and the number of pixels, no dimensions, float32 or float64.
    """
    products = sum_of_products(feature, mask)
    if mask is None:
        total = feature.sum((0, 2, 3), dtype=products.dtype)
        pixels = constant(feature[0, 0].numel(), products)
    else:
        # In full precision, as the products: else their difference, the covariance, is mostly rounding.
        total, pixels = (full(feature) * full(mask)).sum((0, 2, 3)), full(mask).sum()
    return {"sum": total, "product": products, "pixels": pixels}


class _SumOfProducts(torch.autograd.Function):
    """One matrix product each way; without it there are two in the backward pass, and copies in float32."""

    @staticmethod
    def forward(ctx: Any, feature: Tensor, mask: Tensor | None) -> Tensor:
        ctx.save_for_backward(feature, mask)
        return _summed(feature, mask)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return _passed_back(gradients[0], *ctx.saved_tensors), None


def _summed(feature: Tensor, mask: Tensor | None) -> Tensor:
    flat = torch.split(_by_pixel(feature), AT_ONCE)
    masks = [None] * len(flat) if mask is None else torch.split(_by_pixel(mask), AT_ONCE)
    products = [_products(part, part_mask) for part, part_mask in zip(flat, masks, strict=True)]
    return torch.stack(products).sum(0) if len(products) > 1 else products[0]


def _passed_back(gradient: Tensor, feature: Tensor, mask: Tensor | None) -> Tensor:
    _, channels, height, width = feature.shape
    # Added and rounded to the precision of the features in one go.
    both = torch.empty_like(gradient, dtype=feature.dtype)
    torch.add(gradient, gradient.T, out=both)
    flat = _by_pixel(feature) if mask is None else _by_pixel(feature * mask.to(feature))
    return (flat @ both).view(1, height, width, channels).permute(0, 3, 1, 2)


# The compiler would unroll the loop, and compile anew for each number of parts.
@torch.library.custom_op("impasto::sum_of_products", mutates_args=())
def _compiled(feature: Tensor, mask: Tensor | None) -> Tensor:
    return _summed(feature, mask)


@_compiled.register_fake
def _(feature: Tensor, mask: Tensor | None) -> Tensor:
    precision = torch.promote_types(feature.dtype, torch.float32)
    return feature.new_empty((feature.shape[1], feature.shape[1]), dtype=precision)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _pass_back(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
    return _passed_back(gradient, *ctx.saved_tensors), None


_compiled.register_autograd(_pass_back, setup_context=_keep)


def _products(flat: Tensor, mask: Tensor | None) -> Tensor:
    if mask is None:
        return sum_of_outer_products(flat)
    return (full(flat) * full(mask)).T @ full(flat)


def _by_pixel(feature: Tensor) -> Tensor:
    """(h · w, C); no copy where the features lie channels last."""
    return feature[0].permute(1, 2, 0).reshape(-1, feature.shape[1])
