"""A function as an operation of torch that starts at once.

``torch.library.custom_op`` imports torch's compiler at its first call: 1.7 seconds and 150 MB that a run
without compiling has no need of. This has no gradient and no form for the compiler; an autograd function
around it, or another operation, gives those.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import torch
from torch import Tensor

Given = ParamSpec("Given")
Made = TypeVar("Made")

_libraries: list[torch.library.Library] = []
"""Kept, since an operation is gone with its library."""


def operation(name: str) -> Callable[[Callable[Given, Made]], Callable[Given, Made]]:
    """Register a function of tensors, which changes none of them, as ``namespace::name``.

    Args:
        name: which profiles show.
    """

    def registered(function: Callable[Given, Made]) -> Callable[Given, Made]:
        namespace, own = name.split("::")
        library = torch.library.Library(namespace, "FRAGMENT")  # type: ignore[no-untyped-call]
        schema = torch.library.infer_schema(function, mutates_args=())
        library.define(own + schema)  # type: ignore[no-untyped-call]
        library.impl(own, function, "CompositeExplicitAutograd")  # type: ignore[no-untyped-call]
        _libraries.append(library)
        return cast("Callable[Given, Made]", getattr(getattr(torch.ops, namespace), own))

    return registered


Convolve = Callable[[Tensor, Tensor, Tensor | None, bool], Tensor]
"""Feature, weights, bias, and whether it goes back: then the feature is the gradient of an output, there is
no bias, and it gives the gradient of the feature."""


def with_gradient(convolve: Convolve) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """A convolution with a gradient toward the feature alone: (feature, weights, bias) → output."""

    class Convolved(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, feature: Tensor, weights: Tensor, bias: Tensor) -> Tensor:
            ctx.save_for_backward(weights)
            return convolve(feature, weights, bias, False)

        @staticmethod
        def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
            return convolve(gradients[0], ctx.saved_tensors[0], None, True), None, None

    def convolved(feature: Tensor, weights: Tensor, bias: Tensor) -> Tensor:
        output: Tensor = Convolved.apply(feature, weights, bias)
        return output

    return convolved


def laid_out(like: Tensor, channels: int, height: int, width: int) -> Tensor:
    """Memory for a feature of one picture, channels last; what is never touched takes none."""
    shape = (1, channels, height, width)
    return torch.empty(
        shape, dtype=like.dtype, device=like.device, memory_format=torch.channels_last
    )
