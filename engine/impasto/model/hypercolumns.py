"""Hypercolumns: what all layers say of one place of a picture, stacked to one vector.

Hariharan, Arbeláez, Girshick and Malik, "Hypercolumns for Object Segmentation and Fine-grained Localization",
CVPR 2015, section 3; in style transfer by Kolkin, Salavon and Shakhnarovich (STROTSS), CVPR 2019. The layers
are not enlarged: each is interpolated at the sampled places alone, so that n places take 4 · n bytes for
each channel of all layers: 9 MB for 1024 places of VGG-19 up to conv5_1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.quasirandom import SobolEngine

from impasto.errors import SettingsError
from impasto.model.extractor import Features
from impasto.model.loss import Loss, Summary, full

Hypercolumns = Annotated[
    int,
    Field(
        ge=0,
        le=65536,
        description="places at which all layers are compared as one; 0: layer by layer",
    ),
]
"""Type of the option ``hypercolumns``."""
Redraw = Annotated[
    int, Field(ge=0, description="steps after which these places are drawn anew; 0 keeps them")
]
"""Type of the option ``redraw``."""

COLUMNS = "hypercolumns"
"""The layer under which the summary of hypercolumns stands."""


def hypercolumns(
    features: Features, layers: Sequence[str], places: Tensor, wraps: Sequence[int] = ()
) -> Tensor:
    """Features of all layers at the same places, bilinear, (1, ΣC, 1, n) in float32 at least.

    Equal to all layers enlarged to the size of the largest, stacked, and read at pixels.

    Args:
        features: by layer, (1, C, h, w) each.
        layers: their channels follow one another in this order.
        places: (n, 2) in [0, 1), down and across; the pixel of the largest layer that they lie in counts.
        wraps: axes whose ends are neighbors, of 2 and 3.
    """
    # Each column stays together in memory, for the products of columns with one another.
    return torch.cat(layer_columns(features, layers, places, wraps), 1).T[None, :, None]


def layer_columns(
    features: Features, layers: Sequence[str], places: Tensor, wraps: Sequence[int] = ()
) -> list[Tensor]:
    """The parts of :func:`hypercolumns`, not stacked: of each layer (n, C), in float32 at least.

    Args:
        features: as there, and so are the others.
        layers: as there.
        places: as there.
        wraps: as there.
    """
    maps = [features[layer] for layer in layers]
    sizes = [max(feature.shape[axis] for feature in maps) for axis in (2, 3)]
    kind = torch.promote_types(maps[0].dtype, torch.float32)
    pixels = [(places[:, axis] * size).long() for axis, size in enumerate(sizes)]
    columns = []
    for feature in maps:
        ends = [
            _between(pixel, size, feature.shape[axis], kind, axis in wraps)
            for axis, pixel, size in zip((2, 3), pixels, sizes, strict=True)
        ]
        columns.append(_interpolated(feature, *ends))
    return columns


_Between = tuple[Tensor, Tensor, Tensor | None]
"""The pixels before and after each place along an axis, (n,) each, and how near the second is; None is 0."""


def _between(pixel: Tensor, size: int, length: int, kind: torch.dtype, wraps: bool) -> _Between:
    if length == size:
        return pixel, pixel, None
    exact = (pixel.to(kind) + 0.5) * (length / size) - 0.5
    exact = exact if wraps else exact.clamp(0, length - 1)
    before = exact.floor()
    first = before.long()
    after = (first + 1) % length if wraps else (first + 1).clamp_max(length - 1)
    return first % length, after, exact - before


def _interpolated(feature: Tensor, down: _Between, across: _Between) -> Tensor:
    """(n, C), in float32 at least."""
    width, channels = feature.shape[3], feature.shape[1]
    # The network's own layout, so that a column of channels lies together.
    rows = feature.permute(0, 2, 3, 1).reshape(-1, channels)
    if down[2] is None and across[2] is None:
        return full(rows.index_select(0, down[0] * width + across[0]))
    tops, bottoms = (one * width for one in down[:2])
    places = [side + one for side in (tops, bottoms) for one in across[:2]]
    corners = full(rows.index_select(0, torch.cat(places))).view(2, 2, -1, channels)
    for near in (down[2], across[2]):
        corners = corners[0] if near is None else torch.lerp(corners[0], corners[1], near[:, None])
    return corners


class Places(nn.Module):
    """Places spread over the unit square at random, which change every so many steps.

    They follow from the seed and the number of the step alone, so that a resumed run goes on exactly.
    """

    now: Tensor
    """Those of the canvas, (n, 2) in [0, 1), down and across."""
    style: Tensor
    """Those of a style picture, (m, 2), which do not change."""
    style_part: Tensor
    """Indices of as many of these as the canvas has, at most; they change with the places."""

    def __init__(
        self, number: int, redraw: int, style_number: int, generator: torch.Generator | None
    ) -> None:
        """Draw the first ones.

        Args:
            number: of places of the canvas.
            redraw: steps after which they are drawn anew; 0 keeps them, for optimizers such as L-BFGS that
                need a function which stays the same.
            style_number: of places of a style picture.
            generator: its seed decides; 0 without one.
        """
        super().__init__()
        self.redraw = redraw
        self.seed = generator.initial_seed() if generator is not None else 0
        self.style_number = style_number
        self.turn = 0
        """How often they were drawn anew."""
        self.register_buffer("now", self.draw(number, 0), persistent=False)
        self.register_buffer("style", self.draw(style_number, 0), persistent=False)
        part = torch.arange(min(number, style_number))
        self.register_buffer("style_part", part, persistent=False)

    def draw(self, number: int, turn: int) -> Tensor:
        """Scrambled Sobol points, which cover the square more evenly than independent ones: (number, 2)."""
        engine = SobolEngine(2, scramble=True, seed=self._seed_of(turn))  # type: ignore[no-untyped-call]
        # A float32 that is rounded to 1 would lie outside.
        drawn: Tensor = engine.draw(number).clamp_max(1 - 2**-20)
        return drawn

    def before_step(self, step: int) -> None:
        """Move on to the places of a step; call it from :meth:`Loss.before_step`."""
        turn = step // self.redraw if self.redraw else 0
        if turn != self.turn:
            self.turn = turn
            self.now.copy_(self.draw(len(self.now), turn), non_blocking=True)
            # A random part of the style's, without order.
            drawn = torch.Generator().manual_seed(self._seed_of(turn))
            many = torch.randperm(self.style_number, generator=drawn)
            self.style_part.copy_(many[: len(self.style_part)], non_blocking=True)

    def _seed_of(self, turn: int) -> int:
        # Sobol's generator takes seeds of 63 bits.
        return (self.seed + 0x9E3779B97F4A7C15 * turn) % 2**63


class HypercolumnLoss(Loss):
    """A loss that compares layer by layer, or hypercolumns of all its layers at sampled places.

    A subclass writes :meth:`summarize_layer` and :meth:`compare_layer` as for any loss, and calls
    :meth:`sample`. Of hypercolumns they get a layer (1, ΣC, 1, n). Of a style a sample is kept that stays the
    same during a run; of the content the layers themselves, read at the same places as the picture.
    """

    precision = "network"
    stacks: bool = False
    """Whether hypercolumns are compared."""
    places: Places
    """Where they are."""

    def sample(
        self, number: int, redraw: int, style_number: int, generator: torch.Generator | None
    ) -> None:
        """Compare hypercolumns from now on; call it when the loss is made.

        Args:
            number: of places of the picture; 0 compares layer by layer.
            redraw: steps after which they are drawn anew; 0 keeps them.
            style_number: of places of a style picture.
            generator: its seed decides which.

        Raises:
            SettingsError: layers have weights; stacked they count by their channels.
        """
        if not number:
            return
        if len(set(self.layer_weights)) > 1:
            raise SettingsError(
                "layer_weights go with layers that are compared one by one; hypercolumns stack them:"
                " leave out one of the two"
            )
        self.stacks = True
        self.places = Places(number, redraw, style_number, generator)

    def before_step(self, run: Any) -> None:
        if self.stacks:
            self.places.before_step(run.step)

    def summarize(self, features: Features) -> dict[str, Summary]:
        if not self.stacks:
            return super().summarize(features)
        return {COLUMNS: self._at(features, self.places.now, self.wraps)}

    def summarize_masked(
        self, features: Features, masks: Mapping[str, Tensor]
    ) -> dict[str, Summary]:
        if not self.stacks:
            return super().summarize_masked(features, masks)
        return {COLUMNS: self._at(features, self.places.now, self.wraps, masks)}

    def summarize_target(
        self, features: Features, masks: Mapping[str, Tensor] | None = None
    ) -> dict[str, Summary]:
        if not self.stacks:
            return super().summarize_target(features, masks)
        if self.target == "content":
            return {layer: {"feature": features[layer]} for layer in self.layers}
        # A style picture never wraps.
        return {COLUMNS: self._at(features, self.places.style, (), masks)}

    def style_of_step(self, target: Summary) -> Summary:
        """Of a style's summary, one value for each place, those that count in this step."""
        if not self.stacks:
            return target
        part = self.places.style_part
        return {name: value.index_select(-1, part) for name, value in target.items()}

    def compare(self, summary: Mapping[str, Summary], target: Mapping[str, Summary]) -> Tensor:
        if not self.stacks:
            return super().compare(summary, target)
        wanted = target
        if self.target == "content":
            features = {layer: target[layer]["feature"] for layer in self.layers}
            with torch.no_grad():
                wanted = {COLUMNS: self._at(features, self.places.now, self.wraps)}
        return self.compare_layer(summary[COLUMNS], wanted[COLUMNS])

    def _at(
        self,
        features: Features,
        places: Tensor,
        wraps: Sequence[int],
        masks: Mapping[str, Tensor] | None = None,
    ) -> Summary:
        columns = hypercolumns(features, self.layers, places, wraps)
        if masks is None:
            return self.summarize_layer(columns)
        largest = max(self.layers, key=lambda layer: features[layer].shape[2:].numel())
        return self.summarize_region(columns, hypercolumns(dict(masks), [largest], places, wraps))
