"""VGG networks: layers by the paper's names, after their ReLU. The extractors of this family share it.

Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR
2015; used as in Gatys, Ecker and Bethge, CVPR 2016, section 2, with weights scaled so that the mean
activation over photographs is one. Departures: one factor for each layer, not for each filter.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import relu

import impasto
from impasto.plugin import around, part
from impasto_plugins.extractors.max_pooling import max_pooled
from impasto_plugins.extractors.relu_convolution import PaddingMode, ReLUConvolution
from impasto_plugins.extractors.vgg_weights import Weights, pooled, scales_for

Pooling = Annotated[
    Literal["max", "average", "l2"], Field(description="the paper prefers average for pictures")
]
Padding = Annotated[PaddingMode, Field(description="around the first convolution")]
Scale = Annotated[bool, Field(description="scale to a mean activation of one")]


class VGG(impasto.Extractor):
    """A VGG by the paper's layer names, after their ReLU; runs no further than the deepest layer."""

    can_wrap = True
    mean: Tensor

    def __init__(self, weights: Weights, pooling: Pooling, padding: Padding, scale: bool) -> None:
        """Build the network.

        Args:
            weights: its convolutions.
            pooling: ``max``; ``average``; or ``l2``, the root of the mean square, which keeps the
                scale of activations as an average does, and strong ones as the maximum does.
            padding: of the first convolution: ``zeros`` as trained, ``replicate`` or ``reflect``
                against the dark rim that zeros can leave.
            scale: divide each layer by its mean activation.
        """
        super().__init__()
        names = list(weights.kernels)
        factors = scales_for(weights, pooling) if scale else dict.fromkeys(names, 1.0)
        self.layers = tuple(with_poolings(names))
        self.weights = weights.name
        self.pooling, self.padding = pooling, padding
        self.register_buffer("mean", torch.tensor(weights.mean).view(1, 3, 1, 1))
        self.convolutions = nn.ModuleDict()
        before = 1.0
        for layer in names:
            kernel, bias = weights.kernels[layer], weights.biases[layer]
            mode = padding if layer == names[0] else "zeros"
            convolution = ReLUConvolution(kernel.shape[1], kernel.shape[0], mode)
            convolution.weight = nn.Parameter(kernel * (before / factors[layer]), False)
            convolution.bias = nn.Parameter(bias / factors[layer], False)
            self.convolutions[layer] = convolution
            before = factors[layer]

    def select(self, layers: Iterable[str]) -> None:
        super().select(layers)
        # One pooling lies before each block but the first, and halves the sides.
        poolings = [int(layer[4]) - layer.startswith("conv") for layer in self.selected]
        self.smallest_side = 2 ** max(poolings, default=0)
        # What lies beyond the deepest layer is never run, so it need not stay in memory.
        kept = self._path()
        if gone := [
            layer for layer in kept if layer.startswith("conv") and layer not in self.convolutions
        ]:
            raise impasto.SettingsError(
                f"layers from {gone[0]} on were left out when shallower ones were selected: make another"
                " extractor"
            )
        for layer in self.layers[len(kept) :]:
            if layer in self.convolutions:
                del self.convolutions[layer]

    def forward(self, image: Tensor) -> impasto.Features:
        features, _ = self._run(self._path(), "", image)
        return features

    def blocks(self) -> list[impasto.Block]:
        made: list[impasto.Block] = []
        names: list[str] = []
        for layer, following in zip(path := self._path(), (*path, "")[1:], strict=True):
            names.append(layer)
            if layer.startswith("pool") or not following:
                made.append(self._block(names, following))
                names = []
        return made

    def _block(self, names: Sequence[str], following: str) -> impasto.Block:
        """Some layers of the path, the last of them a pooling if more follow.

        Args:
            names: of the layers.
            following: the layer after them; empty where the path ends.
        """
        stride = 2 if names[-1].startswith("pool") else 1
        convolutions = sum(name.startswith("conv") for name in names)
        strides = {name: 2 if name.startswith("pool") else 1 for name in names}
        return impasto.Block(
            partial(self._run, tuple(names), following),
            halo=-(-convolutions // stride) * stride,
            stride=stride,
            strides={name: strides[name] for name in names if name in self.selected},
        )

    def _run(
        self, names: Sequence[str], following: str, feature: Tensor
    ) -> tuple[impasto.Features, Tensor]:
        """Run layers: the features that were selected, and the output of the last one."""
        features: impasto.Features = {}
        if names[:1] == self.layers[:1]:
            feature = (feature - self.mean).to(self.precision, memory_format=torch.channels_last)
        for layer, after in zip(names, (*names[1:], following), strict=True):
            with part(f"extractor/{layer}"):
                feature = self._step(layer, feature, after)
            if layer in self.selected:
                features[layer] = feature
        return features, feature

    @property
    def precision(self) -> torch.dtype:
        """Precision of the weights, and of the features."""
        return next(self.convolutions.parameters()).dtype

    def prepare(self, device: torch.device, precision: torch.dtype) -> None:
        super().prepare(device, precision)
        # The mean is subtracted before the picture is rounded to the network's precision.
        self.mean = self.mean.float() if precision.itemsize < 4 else self.mean

    def said(self) -> str:
        run = [self.convolutions[name] for name in self._path() if name in self.convolutions]
        taken = sum(isinstance(one, ReLUConvolution) and one.takes_winograd for one in run)
        fused = sum(isinstance(one, ReLUConvolution) and one.fuses_relu(one.weight) for one in run)
        ways = [f"{taken} of {len(run)} convolutions by Winograd"] * (taken > 0)
        ways += [f"{fused} of {len(run)} convolutions with their ReLU by cuDNN"] * (fused > 0)
        return ", ".join(ways)

    def _path(self) -> tuple[str, ...]:
        deepest = max((self.layers.index(layer) for layer in self.selected), default=-1)
        return self.layers[: deepest + 1]

    def _step(self, layer: str, feature: Tensor, following: str) -> Tensor:
        if layer.startswith("pool"):
            for axis in self.wraps:
                # A column that is left over has its other half at the other end.
                feature = around(feature, 0, feature.shape[axis] % 2, (axis,))
            if self.pooling != "max":
                return pooled(feature, self.pooling)
            output = max_pooled(feature)
            before = self.layers[self.layers.index(layer) - 1]
            return relu(output) if self._leaves_relu(before, layer, feature) else output
        later = self._leaves_relu(layer, following, feature)
        convolved: Tensor = self.convolutions[layer](feature, with_relu=not later, wraps=self.wraps)
        return convolved

    def _leaves_relu(self, layer: str, following: str, feature: Tensor) -> bool:
        """Whether a convolution leaves its ReLU to the pooling after it.

        ReLU commutes with the maximum, after which it has a quarter of the work and keeps a quarter of
        the memory.
        """
        if not following.startswith("pool") or self.pooling != "max" or layer in self.selected:
            return False
        convolution = self.convolutions[layer]
        return not (isinstance(convolution, ReLUConvolution) and convolution.fuses_relu(feature))


def with_poolings(convolutions: Iterable[str]) -> list[str]:
    """All layers, given the convolutions: a pooling follows each block."""
    blocks: dict[str, list[str]] = {}
    for layer in convolutions:
        blocks.setdefault(layer[4], []).append(layer)
    return [name for block, layers in blocks.items() for name in [*layers, f"pool{block}"]]
