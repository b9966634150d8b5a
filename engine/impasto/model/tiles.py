"""Evaluation in tiles: sums and gradients of a picture whose features do not fit into memory at once.

Losses summarize, then compare. The network is walked block by block, each block in bands of rows as wide as
its input. A band takes in the rows around it that its features depend on, its halo, and gives only the rows
that it owns: the summaries, added up over the bands, and the input of the next block. Then the comparisons
are differentiated once, at the summaries, and the blocks are walked back: each band's features are computed
again, and what arrives in its halo is added to what its neighbors give. The result is the gradient of the
whole picture, without seams. From the first block that fits into one tile on, features are computed
once and held.

Galerne, Raad, Lezama and Morel, "Scaling Painting Style Transfer" (2023) sum up statistics over blocks of the
picture in the same way, through the whole network at once. Walked block by block of the network, the halo is
2 to 4 rows of features instead of 80 of the picture, and the inputs of the blocks cost 120 bytes a pixel
in float32.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from impasto.errors import PluginError, SettingsError
from impasto.model.extractor import IMAGE, Block, Extractor, Features
from impasto.model.loss import Loss, Summary
from impasto.model.scopes import part

Masks = Mapping[str, Tensor]
"""A mask by layer, (1, 1, h, w) in [0, 1]."""


class Reading(NamedTuple):
    """What one loss summarizes: the whole picture, or what a mask leaves."""

    loss: Loss
    masks: Masks | None


class Band(NamedTuple):
    """Rows of a block's input."""

    first: int
    """First row that the band owns."""
    end: int
    """The row after the last that it owns."""
    outer_first: int
    """The same with the halo."""
    outer_end: int
    is_last: bool
    """Whether it ends where the picture does."""

    def at(self, stride: int) -> tuple[slice, slice]:
        """The rows that it owns of a layer: in what the block gives for the band, and in the whole layer.

        Args:
            stride: rows of the block's input for one of the layer.
        """
        first, end, outer = (row // stride for row in (self.first, self.end, self.outer_first))
        if self.is_last:  # A pooling leaves out what is left over.
            return slice(first - outer, None), slice(first, None)
        return slice(first - outer, end - outer), slice(first, end)


def bands_of(block: Block, height: int, width: int, pixels: int) -> list[Band]:
    """The bands of a block: of equal height, and of as many pixels of its input as are asked for at most.

    Args:
        block: its halo and stride count.
        height: of its input, in rows.
        width: the same in columns.
        pixels: of its input that a band may have; a band has as many rows as the block's stride at least.
    """
    stride = block.stride
    count = math.ceil(height / max(stride, pixels // width))
    rows = math.ceil(math.ceil(height / count) / stride) * stride
    firsts = list(range(0, height, rows))
    # A row that the pooling would leave out by itself belongs to the band before.
    if len(firsts) > 1 and height - firsts[-1] < stride:
        firsts.pop()
    ends = [*firsts[1:], height]
    return [
        Band(first, end, max(0, first - block.halo), min(height, end + block.halo), end == height)
        for first, end in zip(firsts, ends, strict=True)
    ]


def layer_sizes(extractor: Extractor, height: int, width: int) -> dict[str, tuple[int, int]]:
    """Height and width of each selected layer, for a picture of this size."""
    sizes = {IMAGE: (height, width)}
    for block in extractor.blocks():
        sizes |= {layer: (height // s, width // s) for layer, s in block.strides.items()}
        height, width = height // block.stride, width // block.stride
    return sizes


@dataclass
class TiledSummaries:
    """The summaries of one picture in tiles, and the backward pass from them to the picture."""

    extractor: Extractor
    image: Tensor
    """(1, 3, H, W) sRGB; losses that compare the layer ``image`` get it whole."""
    readings: Sequence[Reading]
    tile: int
    """As many pixels of the picture are worked on at once as a square of this side has."""
    found: list[dict[str, Summary]] = field(default_factory=list)
    """What was asked for: summaries by layer, one for each reading."""
    _tiled: list[tuple[Block, list[Band], Tensor]] = field(default_factory=list)
    """The blocks that are worked on in bands, and their inputs."""
    _held: Tensor | None = None
    """Input of the first block that is held, if one is."""

    def __post_init__(self) -> None:
        wants_gradient = torch.is_grad_enabled() and self.image.requires_grad
        self.image = self.image.detach()
        self.found = [{} for _ in self.readings]
        blocks = list(self.extractor.blocks())
        feature: Tensor | None = self.image
        with torch.no_grad():
            while blocks and feature is not None:
                bands = self._bands_of(blocks[0], feature)
                if len(bands) == 1:
                    break
                block = blocks.pop(0)
                self._tiled.append((block, bands, feature))
                feature = self._walk_up(block, bands, feature, bool(blocks))
        for value in values_of(self.found):
            value.requires_grad_(wants_gradient)
        self.image.requires_grad_(wants_gradient)
        if feature is not None:
            self._held = feature.detach().requires_grad_(wants_gradient)
        with torch.set_grad_enabled(wants_gradient):
            self._hold(blocks)

    def _bands_of(self, block: Block, feature: Tensor) -> list[Band]:
        height, width = feature.shape[2:]
        # Channels double where sides halve: the bands of all blocks hold about as many numbers.
        return bands_of(block, height, width, self.tile**2 // (self.image.shape[2] // height))

    def _walk_up(
        self, block: Block, bands: Sequence[Band], below: Tensor, more: bool
    ) -> Tensor | None:
        """Add up the summaries of a block; its output, if more blocks follow."""
        above: Tensor | None = None
        for band in bands:
            with part("tile/forward"):
                features, output = block.run(below[:, :, band.outer_first : band.outer_end])
            for reading, whole in zip(self.readings, self.found, strict=True):
                for layer, summary, rows in summaries_of(reading, block, band, features):
                    height = below.shape[2] // block.strides[layer]
                    add_up(reading.loss, whole.setdefault(layer, {}), summary, rows, height)
            if more:
                above = laid_out(output, below, block.stride) if above is None else above
                inner, outer = band.at(block.stride)
                above[:, :, outer] = output[:, :, inner]
            # Not held while the next band is computed.
            del features, output
        return above

    def _hold(self, blocks: Sequence[Block]) -> None:
        """Go through the blocks that fit into one tile, and keep what their backward pass needs."""
        features: Features = {IMAGE: self.image}
        feature = self._held
        for block in blocks:
            assert feature is not None
            with part("extractor/forward"):
                found, feature = block.run(feature)
            features |= found
        for (loss, masks), whole in zip(self.readings, self.found, strict=True):
            there = {layer: features[layer] for layer in loss.layers if layer in features}
            with part(f"loss/{type(loss).__name__}"):
                if len(there) == len(loss.layers):
                    whole |= (
                        loss.summarize(there)
                        if masks is None
                        else loss.summarize_masked(there, masks)
                    )
                    continue
                for layer, of_layer in there.items():
                    mask = None if masks is None else masks[layer]
                    whole[layer] = loss.summary_of(of_layer, mask)

    def gradient(self) -> Tensor:
        """The gradient of the picture, after a backward pass down to the summaries: (1, 3, H, W)."""
        gradient = None if self._held is None else self._held.grad
        self._held = None
        while self._tiled:
            gradient = self._walk_back(*self._tiled.pop(), gradient)
        parts = [one for one in (self.image.grad, gradient) if one is not None]
        return torch.stack(parts).sum(0) if len(parts) > 1 else parts[0]

    def _walk_back(
        self, block: Block, bands: Sequence[Band], below: Tensor, above: Tensor | None
    ) -> Tensor:
        """The gradient of a block's input, (1, C, h, w).

        Args:
            block: of the network.
            bands: of the block.
            below: its input.
            above: gradient of its output; None where nothing depends on that.
        """
        gradient = torch.zeros_like(below, requires_grad=False)
        for band in bands:
            rows = slice(band.outer_first, band.outer_end)
            given = below[:, :, rows].detach().requires_grad_()
            with torch.enable_grad(), part("tile/forward"):
                features, output = block.run(given)
            roots, gradients = self._roots(block, band, features)
            if above is not None:
                inner, outer = band.at(block.stride)
                roots.append(output[:, :, inner])
                gradients.append(above[:, :, outer])
            if roots:
                with part("tile/backward"):
                    torch.autograd.backward(roots, gradients)
                assert given.grad is not None
                gradient[:, :, rows] += given.grad
            # Not held while the next band is computed.
            del given, features, output, roots, gradients
        return gradient

    def _roots(
        self, block: Block, band: Band, features: Features
    ) -> tuple[list[Tensor], list[Tensor]]:
        """The summaries of a band, and the gradient that arrived at each."""
        roots, gradients = list[Tensor](), list[Tensor]()
        for reading, whole in zip(self.readings, self.found, strict=True):
            with torch.enable_grad():
                found = list(summaries_of(reading, block, band, features))
            for layer, summary, rows in found:
                for name, value in summary.items():
                    gradient = whole[layer][name].grad
                    if gradient is not None and value.requires_grad:
                        is_map = reading.loss.summary == "map"
                        roots.append(value)
                        gradients.append(gradient[..., rows, :] if is_map else gradient)
        return roots, gradients


def summaries_of(
    reading: Reading, block: Block, band: Band, features: Features
) -> Iterator[tuple[str, Summary, slice]]:
    """What one loss summarizes of the rows that a band owns, by layer, with these rows of the layer."""
    loss, masks = reading
    for layer, stride in block.strides.items():
        if layer not in loss.layers:
            continue
        inner, outer = band.at(stride)
        with part(f"loss/{type(loss).__name__}"):
            mask = None if masks is None else masks[layer][:, :, outer]
            yield layer, loss.summary_of(features[layer][:, :, inner], mask), outer


def add_up(loss: Loss, whole: Summary, of_band: Summary, rows: slice, height: int) -> None:
    """Add the summary of a band to that of the picture, or put it in its place.

    Args:
        loss: says which.
        whole: of the layer; changed in place.
        of_band: of the rows.
        rows: of the layer.
        height: of the layer.

    Raises:
        PluginError: it is a map and has not one value for each pixel.
    """
    for name, value in of_band.items():
        if loss.summary == "sum":
            whole[name] = whole[name] + value if name in whole else value
            continue
        if name not in whole:
            whole[name] = value.new_empty((*value.shape[:-2], height, value.shape[-1]))
        if whole[name][..., rows, :].shape != value.shape:
            raise PluginError(
                f"{type(loss).__name__} has summary = 'map' and returned a tensor of shape"
                f" {tuple(value.shape)} under '{name}', which is not one value for each pixel; with tiles it"
                " has to be"
            )
        whole[name][..., rows, :] = value


def values_of(found: Sequence[Mapping[str, Summary]]) -> Iterator[Tensor]:
    """The tensors of summaries that can have a gradient."""
    for summaries in found:
        for summary in summaries.values():
            yield from (value for value in summary.values() if value.is_floating_point())


def laid_out(output: Tensor, below: Tensor, stride: int) -> Tensor:
    """Room for the output of a block, laid out as the network's features are."""
    height, width = (side // stride for side in below.shape[2:])
    return torch.empty(
        (1, output.shape[1], height, width),
        dtype=output.dtype, device=output.device, memory_format=torch.channels_last,
    )  # fmt: skip


def with_gradient(
    compute: Callable[[Tensor], tuple[Tensor, Tensor, Tensor | None]], image: Tensor
) -> tuple[Tensor, Tensor]:
    """A value whose gradient is computed along with it, for torch's backward pass.

    Args:
        compute: picture → value, more values that have no gradient, and the picture's gradient.
        image: (1, 3, H, W).
    """
    value: tuple[Tensor, Tensor] = _WithGradient.apply(image, compute)
    return value


class _WithGradient(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, image: Tensor, compute: Callable[[Tensor], tuple[Tensor, Tensor, Tensor | None]]
    ) -> tuple[Tensor, Tensor]:
        wanted = ctx.needs_input_grad[0]
        with torch.set_grad_enabled(wanted):
            total, terms, gradient = compute(image.detach().requires_grad_(wanted))
        ctx.save_for_backward(gradient)
        ctx.mark_non_differentiable(terms)
        return total, terms

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,) = ctx.saved_tensors
        return gradients[0] * gradient, None


def refuse_tiles(losses: Mapping[str, Loss]) -> None:
    """Refuse losses that need the features of the whole picture.

    Raises:
        SettingsError: with the loss, and what works.
    """
    for name, loss in losses.items():
        if set(loss.layers) <= {IMAGE}:
            continue
        own = type(loss).summarize is not Loss.summarize
        if loss.summary == "whole" or own:
            raise SettingsError(
                f"loss '{name}' needs the features of the whole picture and cannot be computed in tiles;"
                " losses that sum over pixels can, as gram, moments, wasserstein and content: use one of"
                " these, or give tile off",
                settings=("tile",),
            )
