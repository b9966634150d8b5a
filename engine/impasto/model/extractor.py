"""What an extractor is: a network that turns a picture into named features."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from impasto.errors import SettingsError, unknown
from impasto.model.torus import around

Features = dict[str, Tensor]
"""Features by layer, each (1, C, h, w). The picture itself is there as the layer ``image``."""

IMAGE = "image"
"""Name of the layer that is the picture itself, (1, 3, H, W) sRGB in [0, 1]."""


class Block(NamedTuple):
    """A part of a network that is a chain, for pictures that are worked on in tiles."""

    run: Callable[[Tensor], tuple[Features, Tensor]]
    """Input, (1, C, h, w) → features of the selected layers in the block, and the input of the next block,
    of 1/stride of its sides, rounded down. It may be given some rows and columns of the input: then the
    features at their borders, as far as ``halo`` reaches, are not used."""
    halo: int
    """Rows and columns of the input on each side that a pixel of the output depends on; a multiple of
    ``stride``."""
    stride: int
    """Rows and columns of the input for one of the output; 1, or 2 where a pooling ends the block."""
    strides: Mapping[str, int]
    """The same for each selected layer in the block."""


class Extractor(nn.Module, ABC):
    """A frozen network: (1, 3, H, W) sRGB in [0, 1] → features by layer."""

    layers: tuple[str, ...] = ()
    """All layers that can be asked for, from the shallowest to the deepest."""
    smallest_side: int = 16
    """Shortest side, in pixels, of a picture that the network can take."""
    weights: str = ""
    """Which weights it has, for the record of a run."""
    can_wrap: ClassVar[bool] = False
    """Whether it pads a picture with the picture's own other end along the axes in ``wraps``; without it
    seamless pictures are refused."""
    wraps: tuple[int, ...] = ()
    """Axes of the picture, 3 for left to right and 2 for top to bottom, whose ends are neighbors. The engine
    sets it for a canvas and a content that are seamless, and takes it back for style pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.selected: tuple[str, ...] = ()

    def select(self, layers: Iterable[str]) -> None:
        """Choose the layers that :meth:`forward` returns. It need run no further than the deepest.

        Raises:
            SettingsError: a layer that the network does not have.
        """
        wanted = set(layers) - {IMAGE}
        for layer in sorted(wanted):
            if layer not in self.layers:
                raise SettingsError(unknown("layer", layer, [*self.layers, IMAGE]))
        self.selected = tuple(layer for layer in self.layers if layer in wanted)

    @abstractmethod
    def forward(self, image: Tensor) -> Features:
        """Features of the selected layers.

        Args:
            image: (1, 3, H, W) sRGB in [0, 1]; values outside are taken as they are.

        Returns:
            For each selected layer a tensor (1, C, h, w), in the network's precision.
        """

    def said(self) -> str:
        """How it computes where there is a choice: a few words that a run says; empty says nothing."""
        return ""

    def around(self, feature: Tensor, before: int, after: int) -> Tensor:
        """A feature, (1, C, h, w), with pixels of its other end added along the axes that wrap.

        Args:
            feature: of any layer, or the picture.
            before: pixels to add above and on the left.
            after: the same below and on the right.
        """
        return around(feature, before, after, self.wraps)

    def blocks(self) -> Sequence[Block]:
        """The network as a chain of blocks down to the deepest selected layer; for pictures in tiles.

        Raises:
            SettingsError: the network is no chain, or does not say how to take it apart.
        """
        raise SettingsError(
            f"the extractor {type(self).__name__} cannot work in tiles: it has no method 'blocks'; give"
            " tile off, or another extractor, as vgg19",
            settings=("tile",),
        )

    def prepare(self, device: torch.device, precision: torch.dtype) -> None:
        """Move to the device and precision, freeze the weights, lay them out channels last."""
        self.to(device=device, dtype=precision, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.eval().requires_grad_(False)
