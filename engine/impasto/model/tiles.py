"""Evaluation in tiles: sums and gradients of a picture whose features do not fit into memory at once.

Losses summarize, then compare. The network is walked block by block, each block in tiles of its input. A tile
takes in the pixels around it that its features depend on, its halo, and gives only what it owns: the
summaries, added up over the tiles, and the input of the next block. Then the comparisons are differentiated
once, at the summaries, and the blocks are walked back: each tile's features are computed again, and what
arrives in its halo is added to what its neighbors give. The result is the gradient of the whole picture,
without seams. A block that fits into the memory of one tile as the user asked for is computed once and held;
others are computed again, in tiles that are no larger than the processor's cache likes.

Several processes each take a strip of the rows through all blocks; see :mod:`impasto.model.ranks`.

Galerne, Raad, Lezama and Morel, "Scaling Painting Style Transfer" (2023) sum up statistics over blocks of the
picture in the same way, through the whole network at once. Walked block by block of the network, the halo is
2 to 4 pixels of features instead of 80 of the picture, and the inputs of the blocks cost 120 bytes a pixel
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
from impasto.model.ranks import Ranks, Rows
from impasto.model.scopes import part

MOST_HALO = 1.1
"""A block that is held is cut into tiles where their halos add less than this makes of it."""

Masks = Mapping[str, Tensor]
"""A mask by layer, (1, 1, h, w) in [0, 1]."""


class Reading(NamedTuple):
    """What one loss summarizes: the whole picture, or what a mask leaves."""

    name: str
    """Of its term."""
    loss: Loss
    masks: Masks | None


Area = tuple[slice, slice]
"""Rows and columns."""


class Span(NamedTuple):
    """Rows, or columns, of a block's input."""

    first: int
    """First one that the tile owns."""
    end: int
    """The one after the last that it owns."""
    outer_first: int
    """The same with the halo."""
    outer_end: int
    is_last: bool
    """Whether it ends where the picture does."""

    def at(self, stride: int) -> tuple[slice, slice]:
        """What it owns of a layer: in what the block gives for the tile, and in the whole layer.

        Args:
            stride: rows of the block's input for one of the layer.
        """
        first, end, outer = (place // stride for place in (self.first, self.end, self.outer_first))
        if self.is_last:  # A pooling leaves out what is left over.
            return slice(first - outer, None), slice(first, None)
        return slice(first - outer, end - outer), slice(first, end)


class Tile(NamedTuple):
    """A part of a block's input."""

    rows: Span
    columns: Span

    @property
    def outer(self) -> Area:
        """Of the input, with the halo."""
        rows, columns = self
        return slice(rows.outer_first, rows.outer_end), slice(
            columns.outer_first, columns.outer_end
        )

    def at(self, stride: int) -> tuple[Area, Area]:
        """What it owns of a layer; see :meth:`Span.at`."""
        (inner_rows, rows), (inner_columns, columns) = self.rows.at(stride), self.columns.at(stride)
        return (inner_rows, inner_columns), (rows, columns)


def spans_of(block: Block, length: int, count: int, strip: Rows | None = None) -> list[Span]:
    """The rows, or the columns, of a block's tiles: of equal length, and so many at most.

    Args:
        block: its halo and stride count.
        length: of its input, in rows or columns.
        count: of the tiles beside or below each other.
        strip: rows to be divided, beginning at a multiple of the stride; None divides all.
    """
    stride, (top, bottom) = block.stride, strip or (0, length)
    one = math.ceil(math.ceil((bottom - top) / count) / stride) * stride
    firsts = list(range(top, bottom, one))
    # A row that the pooling would leave out by itself belongs to the tile before.
    if len(firsts) > 1 and bottom - firsts[-1] < stride:
        firsts.pop()
    ends = [*firsts[1:], bottom]
    return [
        Span(first, end, max(0, first - block.halo), min(length, end + block.halo), end == length)
        for first, end in zip(firsts, ends, strict=True)
    ]


def tiles_of(
    block: Block, height: int, width: int, pixels: int, strip: Rows | None = None
) -> list[Tile]:
    """The tiles of a block, cut so that their halos take least.

    Args:
        block: its halo and stride count.
        height: of its input, in rows.
        width: the same in columns.
        pixels: of its input that a tile may own, rounded up to the block's stride.
        strip: rows to be divided, beginning at a multiple of the stride; None divides all.
    """
    top, bottom = strip or (0, height)
    rows, halo, stride = bottom - top, 2 * block.halo, block.stride

    def counts(across: int) -> tuple[int, int, int]:
        """Pixels that all tiles work on, and how many lie beside and below each other."""
        columns = min(width, math.ceil(math.ceil(width / across) / stride) * stride)
        down = math.ceil(rows / max(stride, pixels // columns))
        return (rows + down * halo) * (width + across * halo), across, down

    most = math.ceil(width / max(stride, math.isqrt(pixels)))
    _, across, down = min(map(counts, range(1, most + 1)))
    return [
        Tile(row, column)
        for row in spans_of(block, height, down, strip)
        for column in spans_of(block, width, across)
    ]


def worked_on(tiles: Sequence[Tile]) -> int:
    """Pixels of a block's input that its tiles work on, halos included."""
    return sum(
        (rows.outer_end - rows.outer_first) * (columns.outer_end - columns.outer_first)
        for rows, columns in tiles
    )


def layer_sizes(extractor: Extractor, height: int, width: int) -> dict[str, tuple[int, int]]:
    """Height and width of each selected layer, for a picture of this size."""
    sizes = {IMAGE: (height, width)}
    for block in extractor.blocks():
        sizes |= {layer: (height // s, width // s) for layer, s in block.strides.items()}
        height, width = height // block.stride, width // block.stride
    return sizes


class Found(NamedTuple):
    """What one loss summarized of one layer of a tile."""

    reading: Reading
    whole: dict[str, Summary]
    """The summaries of the whole picture by layer."""
    layer: str
    summary: Summary
    area: Area
    """Of the layer."""


class Walked(NamedTuple):
    """A tile after the walk up: its input, what was summarized of it, and its output, with a gradient."""

    given: Tensor
    found: list[Found]
    output: Tensor


class Level(NamedTuple):
    """A block in the backward pass."""

    block: Block
    tiles: list[Tile]
    below: Tensor
    """Its input: of several ranks the rows of this one, with the halo."""
    strip: Rows
    """Rows of the input that this rank owns."""
    held: list[Walked]
    """Its tiles, where they are held."""


@dataclass
class TiledSummaries:
    """The summaries of one picture in tiles, and the backward pass from them to the picture."""

    extractor: Extractor
    image: Tensor
    """(1, 3, H, W) sRGB; losses that compare the layer ``image`` get it whole."""
    readings: Sequence[Reading]
    tile: int
    """Features are held of as many pixels of the picture as a square of this side has."""
    cut: int
    """Side, in pixels of the picture, of the largest tile, where halos do not take too much."""
    ranks: Ranks | None = None
    """The processes that work on the picture; None is this one alone."""
    found: list[dict[str, Summary]] = field(default_factory=list)
    """What was asked for: summaries by layer, one for each reading."""
    _levels: list[Level] = field(default_factory=list)
    """The blocks from the first on."""
    _strip: Rows | None = None
    """Rows of the picture that this rank owns; None where each works on all, since they are few."""
    _of_image: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    """Summaries of the picture itself, attached to its graph, each with its detached copy in ``found``."""

    def __post_init__(self) -> None:
        wants_gradient = torch.is_grad_enabled() and self.image.requires_grad
        self.image = self.image.detach()
        self.found = [{} for _ in self.readings]
        with torch.no_grad():
            self._walk_up(list(self.extractor.blocks()), wants_gradient)
        if self.ranks is not None:
            mine = self._strip is not None or self.ranks.is_first
            self.ranks.add(list(all_of(self.found)), mine)
        for value in values_of(self.found):
            value.requires_grad_(wants_gradient)
        self.image.requires_grad_(wants_gradient)
        with torch.set_grad_enabled(wants_gradient):
            self._of_the_image()

    def _walk_up(self, blocks: Sequence[Block], wants_gradient: bool) -> None:
        """Go through the network, and add up the summaries of this rank's rows."""
        height = self.image.shape[2]
        if self.ranks is not None:
            self._strip = self.ranks.rows_of(height, blocks)
        strip, below = self._strip or (0, height), self.image
        for number, block in enumerate(blocks):
            if self._strip is not None and self.ranks is not None and number:
                self.ranks.fill_halo(below, strip, block.halo)
            # Channels double where sides halve: the tiles of all blocks hold about as many numbers.
            scale = self.image.shape[2] // below.shape[2]
            tiles = tiles_of(block, below.shape[2], below.shape[3], self.tile**2 // scale, strip)
            hold, more = wants_gradient and len(tiles) == 1, number + 1 < len(blocks)
            if self.cut < self.tile:
                pixels = self.cut**2 // scale
                cut = tiles_of(block, below.shape[2], below.shape[3], pixels, strip)
                if len(tiles) > 1 or worked_on(cut) < MOST_HALO * worked_on(tiles):
                    tiles = cut
            if below.is_meta:
                # The others have the shapes of the second one.
                tiles = [*tiles[:2], *tiles[2:][-1:]]
            held, above = self._walk(block, tiles, below, hold, more)
            self._levels.append(Level(block, tiles, below, strip, held))
            if above is not None:
                is_last = strip[1] == below.shape[2]
                end = above.shape[2] if is_last else strip[1] // block.stride
                strip, below = (strip[0] // block.stride, end), above

    def _walk(
        self, block: Block, tiles: Sequence[Tile], below: Tensor, hold: bool, more: bool
    ) -> tuple[list[Walked], Tensor | None]:
        """Add up the summaries of a block.

        Args:
            block: of the network.
            tiles: of the block.
            below: its input.
            hold: keep what the backward pass needs.
            more: whether more blocks follow.

        Returns:
            What is held, and the block's output if more blocks follow.
        """
        held: list[Walked] = []
        above: Tensor | None = None
        for tile in tiles:
            with torch.set_grad_enabled(hold):
                walked = self._run(block, tile, below, hold)
            for (_, loss, _), whole, layer, summary, area in walked.found:
                height, width = (side // block.strides[layer] for side in below.shape[2:])
                copies = self.ranks is not None
                add_up(loss, whole.setdefault(layer, {}), summary, area, (height, width), copies)
            if more:
                output = walked.output.detach()
                above = laid_out(output, below, block.stride) if above is None else above
                inner, outer = tile.at(block.stride)
                above[..., *outer] = output[..., *inner]
            if hold:
                held.append(walked)
            # Not held while the next tile is computed.
            walked = output = summary = None  # type: ignore[assignment]
        return held, above

    def _run(self, block: Block, tile: Tile, below: Tensor, wants_gradient: bool) -> Walked:
        """Compute a tile, and summarize what it owns."""
        given = below[..., *tile.outer].detach()
        if below.is_contiguous(memory_format=torch.channels_last):
            # What is cut across columns would not be taken for that.
            given = given.contiguous(memory_format=torch.channels_last)
        given.requires_grad_(wants_gradient)
        with part("tile/forward"):
            features, output = block.run(given)
        found = [
            Found(reading, whole, *summarized)
            for reading, whole in zip(self.readings, self.found, strict=True)
            for summarized in summaries_of(reading, block, tile, features)
        ]
        return Walked(given, found, output)

    def _of_the_image(self) -> None:
        """Summarize the picture itself, which is there as a whole."""
        for (name, loss, masks), whole in zip(self.readings, self.found, strict=True):
            if IMAGE not in loss.layers:
                continue
            with part(f"loss/{name}"):
                if len(loss.layers) > 1:
                    mask = None if masks is None else masks[IMAGE]
                    found = {IMAGE: loss.summary_of(self.image, mask)}
                elif masks is None:
                    found = loss.summarize({IMAGE: self.image})
                else:
                    found = loss.summarize_masked({IMAGE: self.image}, masks)
            # Differentiated last, when the features are gone.
            for layer, summary in found.items():
                whole[layer] = {
                    key: value.detach().requires_grad_(value.requires_grad)
                    for key, value in summary.items()
                }
                self._of_image += [(value, whole[layer][key]) for key, value in summary.items()]

    def gradient(self) -> Tensor:
        """The gradient of the picture, after a backward pass down to the summaries: (1, 3, H, W).

        What was found is given up on the way.
        """
        back = [(root, value.grad) for root, value in self._of_image if value.grad is not None]
        self._of_image = []
        for whole in self.found:
            for summary in whole.values():
                for key, value in summary.items():
                    # Only the gradients are needed from now on.
                    summary[key] = value.grad  # type: ignore[assignment]
        gradient: Tensor | None = None
        while self._levels:
            level = self._levels.pop()
            gradient = self._walk_back(level, gradient)
            if self.ranks is not None and self._strip is not None:
                self.ranks.add_halo(gradient, level.strip, level.block.halo)
            for whole in self.found:
                for layer in level.block.strides:
                    whole.pop(layer, None)
            del level
        if back:
            with part("backward"):
                torch.autograd.backward([root for root, _ in back], [given for _, given in back])
        if gradient is not None and self.ranks is not None:
            first, end = self._strip or (0, gradient.shape[2])
            gradient[:, :, :first] = gradient[:, :, end:] = 0
            self.ranks.add([gradient], mine=self._strip is not None or self.ranks.is_first)
        if gradient is None or self.image.grad is None:
            found = self.image.grad if gradient is None else gradient
            assert found is not None
            return found
        return gradient.add_(self.image.grad)

    def _walk_back(self, level: Level, above: Tensor | None) -> Tensor:
        """The gradient of a block's input, (1, C, h, w): of several ranks in this one's rows and the halo.

        Args:
            level: the block.
            above: gradient of its output; None where nothing depends on that.
        """
        block, tiles, below, _, held = level
        gradient = torch.empty_like(below, requires_grad=False)
        gradient[:, :, tiles[0].rows.outer_first : tiles[-1].rows.outer_end] = 0
        for tile in tiles:
            with torch.enable_grad():
                walked = held.pop(0) if held else self._run(block, tile, below, True)
            roots, gradients = roots_of(walked.found)
            if above is not None:
                inner, outer = tile.at(block.stride)
                with torch.enable_grad():
                    roots.append(cut_out(walked.output, inner))
                gradients.append(above[..., *outer])
            if roots:
                with part("tile/backward"):
                    torch.autograd.backward(roots, gradients)
                assert walked.given.grad is not None
                gradient[..., *tile.outer] += walked.given.grad
            # Not held while the next tile is computed.
            del walked, roots, gradients
        return gradient


def roots_of(found: Sequence[Found]) -> tuple[list[Tensor], list[Tensor]]:
    """The summaries of a tile, and the gradient that arrived at each, which ``whole`` has by then."""
    roots, gradients = list[Tensor](), list[Tensor]()
    for (_, loss, _), whole, layer, summary, area in found:
        for name, value in summary.items():
            gradient: Tensor | None = whole[layer][name]
            if gradient is not None and value.requires_grad:
                roots.append(value)
                gradients.append(gradient[..., *area] if loss.summary == "map" else gradient)
    return roots, gradients


def summaries_of(
    reading: Reading, block: Block, tile: Tile, features: Features
) -> Iterator[tuple[str, Summary, Area]]:
    """What one loss summarizes of what a tile owns, by layer, with its place in the layer."""
    name, loss, masks = reading
    for layer, stride in block.strides.items():
        if layer not in loss.layers:
            continue
        inner, outer = tile.at(stride)
        with part(f"loss/{name}"):
            mask = None if masks is None else masks[layer][..., *outer]
            yield layer, loss.summary_of(cut_out(features[layer], inner), mask), outer


def cut_out(feature: Tensor, area: Area) -> Tensor:
    """A part of a feature, (1, C, h, w); all of it is the feature itself."""
    part: Tensor = feature[..., *area]
    if part.shape == feature.shape or not feature.requires_grad:
        return part
    cut: Tensor = _CutOut.apply(feature, area)
    return cut


class _CutOut(torch.autograd.Function):
    """One pass over memory each way, where torch takes one for the rows and one for the columns."""

    @staticmethod
    def forward(ctx: Any, feature: Tensor, area: Area) -> Tensor:
        ctx.area, ctx.shape = area, feature.shape
        return feature[..., *area]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        spread = torch.empty(
            ctx.shape,
            dtype=gradients[0].dtype, device=gradients[0].device, memory_format=torch.channels_last,
        ).zero_()  # fmt: skip
        spread[..., *ctx.area] = gradients[0]
        return spread, None


def add_up(
    loss: Loss, whole: Summary, of_tile: Summary, area: Area, size: tuple[int, int], copies: bool
) -> None:
    """Add the summary of a tile to that of the picture, or put it in its place.

    Args:
        loss: says which.
        whole: of the layer; changed in place.
        of_tile: of the area.
        area: of the layer.
        size: height and width of the layer.
        copies: also what one tile has of the whole layer, since the sum over ranks is to take its place.

    Raises:
        PluginError: it is a map and has not one value for each pixel.
    """
    for name, given in of_tile.items():
        value = given.detach()
        if loss.summary == "sum":
            # A copy, since the one of a tile that is held has no gradient of its own.
            whole[name] = whole[name] + value if name in whole else value.clone()
            continue
        if name not in whole and value.shape[-2:] == size and not copies:
            whole[name] = value
            continue
        if name not in whole:
            whole[name] = value.new_zeros((*value.shape[:-2], *size))
        if whole[name][..., *area].shape != value.shape:
            raise PluginError(
                f"{type(loss).__name__} has summary = 'map' and returned a tensor of shape"
                f" {tuple(value.shape)} under '{name}', which is not one value for each pixel; with tiles it"
                " has to be"
            )
        whole[name][..., *area] = value


def values_of(found: Sequence[Mapping[str, Summary]]) -> Iterator[Tensor]:
    """The tensors of summaries that can have a gradient."""
    yield from (value for value in all_of(found) if value.is_floating_point())


def all_of(found: Sequence[Mapping[str, Summary]]) -> Iterator[Tensor]:
    """The tensors of summaries."""
    for summaries in found:
        for summary in summaries.values():
            yield from summary.values()


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
