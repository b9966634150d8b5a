"""A convolution with fixed weights and its ReLU: by Winograd's algorithm where that is faster."""

from __future__ import annotations

from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from impasto.plugin import around, fuses_relu, inside
from impasto_plugins.extractors import direct_convolution, fused_convolution
from impasto_plugins.extractors.winograd import convolved, pays, transformed

PaddingMode = Literal["zeros", "replicate", "reflect"]


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
        self.transformed: Tensor | None = None
        """The weights for Winograd's algorithm, once it is taken."""

    def reset_parameters(self) -> None:
        """Leave the weights as they are: torch would draw random ones, from its global generator."""

    def forward(
        self, feature: Tensor, with_relu: bool = True, wraps: tuple[int, ...] = ()
    ) -> Tensor:
        """relu(conv(x)), or conv(x): (1, incoming, h, w) → (1, outgoing, h, w).

        Args:
            feature: (1, incoming, h, w).
            with_relu: whether ReLU is applied.
            wraps: axes that are padded with their other end.
        """
        if wraps:
            # One pixel more on each side gives what lies inside the neighbors that it is to have.
            return inside(self(around(feature, 1, 1, wraps), with_relu), 1, wraps)
        if with_relu and self.fuses_relu(feature):
            assert self.bias is not None
            return fused_convolution.convolved(feature, self.weight.detach(), self.bias.detach())
        output = self._convolved(feature)
        return relu(output, inplace=True) if with_relu else output

    def fuses_relu(self, feature: Tensor) -> bool:
        """Whether convolution and ReLU are one kernel; torch's compiler fuses by itself."""
        return (
            self.padding_mode == "zeros"
            and not torch.compiler.is_compiling()
            and fuses_relu(feature.device, feature.dtype)
        )

    @property
    def takes_winograd(self) -> bool:
        """Whether Winograd's algorithm is taken where its weights are now."""
        return self.padding_mode == "zeros" and pays(self.weight)

    def _convolved(self, feature: Tensor) -> Tensor:
        assert self.bias is not None
        # Not for subclasses of Tensor, such as fake tensors: with those, one counts what is computed.
        if not self.takes_winograd or type(feature) is not Tensor:
            if torch.compiler.is_compiling() and self.padding_mode == "zeros":
                return direct_convolution.convolved(feature, self.weight, self.bias)
            return super().forward(feature)
        if self.transformed is None:
            self.transformed = transformed(self.weight.detach())
        return convolved(feature, self.transformed, self.bias.detach())

    def __getstate__(self) -> dict[str, Any]:
        # A copy may be given weights of its own.
        return {**vars(self), "transformed": None}

    def _apply(self, *given: Any, **options: Any) -> ReLUConvolution:
        # Moved, or of another precision: to be transformed again.
        self.transformed = None
        return cast("ReLUConvolution", super()._apply(*given, **options))  # type: ignore[no-untyped-call]
