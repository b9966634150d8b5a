"""A convolution with fixed weights and its ReLU, as cheap as the processor allows.

Since the weights never change they are made ready once: transformed for Winograd's convolution where that
is faster, else prepacked for each size of picture. The gradient toward the input is itself a convolution:
with the kernel rotated by 180 degrees and its channels exchanged. Only the output after the ReLU is
kept for it. Values and gradients are those of ``relu(conv2d(x))``. Prepacking, measured on two cores in
bfloat16: a whole evaluation takes 1.07 times less at 128 pixels, where packing the weights at every call
counts most, and 1.03 times less at 512.
"""

from __future__ import annotations

import itertools
from typing import Any, Literal, cast
from weakref import WeakValueDictionary

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from impasto_plugins.extractors.prepacked import (
    Prepacked,
    can_prepack,
    prepack,
)
from impasto_plugins.extractors.winograd import Winograd, pays, transformed

PaddingMode = Literal["zeros", "replicate", "reflect"]
Ready = Prepacked | Winograd
"""The weights of a layer, made ready for the processor."""


class ReLUConvolution(nn.Conv2d):
    """3 × 3 convolution, padded by one pixel, then ReLU; no gradient for weights."""

    def __init__(self, incoming: int, outgoing: int, padding_mode: PaddingMode = "zeros") -> None:
        """Make the layer; its weights are set later.

        Args:
            incoming: channels of the input.
            outgoing: channels of the output.
            padding_mode: torch's name of it: ``zeros``, ``replicate`` or ``reflect``.
        """
        super().__init__(incoming, outgoing, 3, padding=1, padding_mode=padding_mode)
        self.ready: Ready | None = None
        self.number = _numbered(self)

    def reset_parameters(self) -> None:
        """Leave the weights as they are: torch would draw random ones, from its global generator."""

    def forward(self, feature: Tensor, with_relu: bool = True) -> Tensor:
        """relu(conv(x)), or conv(x): (1, incoming, h, w) → (1, outgoing, h, w)."""
        if self.padding_mode != "zeros" or not can_prepack(feature):
            output = super().forward(feature)
            return relu(output) if with_relu else output
        made: Tensor = (
            _compiled(feature, self.number, with_relu)
            if torch.compiler.is_compiling()
            else _Convolved.apply(feature, self.ready_for(feature.shape), with_relu)
        )
        return made

    def __getstate__(self) -> dict[str, Any]:
        # A copy has weights of its own; and prepacked ones can be neither copied nor pickled.
        return {**vars(self), "ready": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self.number = _numbered(self)

    def ready_for(self, size: torch.Size) -> Ready:
        """The weights for an input of this size; prepacked again if the last one had another size."""
        if self.ready is None or not self.ready.serves(size):
            assert self.bias is not None
            kernel, bias = self.weight.detach(), self.bias.detach()
            self.ready = transformed(kernel, bias) if pays(kernel) else prepack(kernel, bias, size)
        return self.ready

    def _apply(self, *given: Any, **options: Any) -> ReLUConvolution:
        # Moved, or of another precision: to be made ready again.
        self.ready = None
        return cast("ReLUConvolution", super()._apply(*given, **options))  # type: ignore[no-untyped-call]


class _Convolved(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, feature: Tensor, weights: Ready, with_relu: bool) -> Tensor:
        output = _forward(feature, weights, with_relu)
        ctx.save_for_backward(output if with_relu else None)
        ctx.weights = weights
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return _backward(gradients[0], ctx.saved_tensors[0], ctx.weights), None, None


def _forward(feature: Tensor, weights: Ready, with_relu: bool) -> Tensor:
    output = weights.convolved(feature)
    # oneDNN could apply ReLU as well, but would turn NaN into zero, and so hide it.
    return output.relu_() if with_relu else output


def _backward(gradient: Tensor, activated: Tensor | None, weights: Ready) -> Tensor:
    if activated is not None:
        gradient = torch.ops.aten.threshold_backward(gradient, activated, 0)
    return weights.passed_back(gradient)


_layers: WeakValueDictionary[int, ReLUConvolution] = WeakValueDictionary()
_numbers = itertools.count()


def _numbered(layer: ReLUConvolution) -> int:
    number = next(_numbers)
    _layers[number] = layer
    return number


# What the compiler sees of a layer: an operation that it need not look into. It has no operation of its own
# for prepacked weights that a gradient has to pass through, and would compile its own for each size.
@torch.library.custom_op("impasto::convolve", mutates_args=())
def _compiled(feature: Tensor, number: int, with_relu: bool) -> Tensor:
    return _forward(feature, _layers[number].ready_for(feature.shape), with_relu)


@torch.library.custom_op("impasto::convolve_back", mutates_args=())
def _compiled_back(gradient: Tensor, activated: Tensor | None, number: int) -> Tensor:
    layer = _layers[number]
    size = torch.Size((gradient.shape[0], layer.in_channels, *gradient.shape[2:]))
    return _backward(gradient, activated, layer.ready_for(size))


@_compiled.register_fake
def _(feature: Tensor, number: int, with_relu: bool) -> Tensor:
    return _with_channels(feature, _layers[number].out_channels)


@_compiled_back.register_fake
def _(gradient: Tensor, activated: Tensor | None, number: int) -> Tensor:
    return _with_channels(gradient, _layers[number].in_channels)


def _with_channels(feature: Tensor, channels: int) -> Tensor:
    made = feature.new_empty((feature.shape[0], channels, *feature.shape[2:]))
    return made.contiguous(memory_format=torch.channels_last)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    _, ctx.number, with_relu = inputs
    ctx.save_for_backward(output if with_relu else None)


def _pass_back(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
    laid = gradient.contiguous(memory_format=torch.channels_last)
    return _compiled_back(laid, ctx.saved_tensors[0], ctx.number), None, None


_compiled.register_autograd(_pass_back, setup_context=_keep)
