"""Neural neighbors: each hypercolumn of the picture is drawn to the one of the style that is most like it.

Kolkin, Kucera, Paris, Sýkora, Shechtman and Shakhnarovich, "Neural Neighbor Style Transfer" (NNST), 2022, its
variant that optimizes pixels. The neighbors are found at the start of each stage, for a blend of the content
and the picture so far with the content's fine detail, and kept: so shapes stay without a content loss. In the
last steps they are found anew for each layer by itself ("feature splitting"), which sharpens strokes. Both
sides are centered before cosines are taken. Departures: a random sample of the style's hypercolumns; in the
last steps neighbors are kept for a few steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import normalize

import impasto
from impasto.plugin import Places, layer_columns
from impasto_plugins.canvases.laplacian import enlarged, halved
from impasto_plugins.losses.points import weighted_mean

LAYERS = ("conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2", "conv3_3",
          "conv4_1", "conv4_2", "conv4_3")  # fmt: skip
BLOCK = 2**24
"""Similarities, and features of the style, that are in memory at a time (64 MB in float32)."""


class NeuralNeighborsLoss(impasto.Loss):
    """Distance of hypercolumns from their nearest in the style (NNST; Kolkin et al. 2022)."""

    layers = LAYERS
    summary = "whole"
    precision = "network"

    def __init__(
        self,
        weight: impasto.Weight = 1.0,
        layers: impasto.Layers = LAYERS,
        stride: Annotated[
            int, Field(ge=1, le=64, description="pixels from one hypercolumn to the next")
        ] = 4,
        samples: Annotated[
            int, Field(ge=1, description="hypercolumns of a style picture that are looked at")
        ] = 8192,
        content: Annotated[
            float,
            Field(ge=0, le=1, description="share of the content in what neighbors are found for"),
        ] = 0.75,
        split_steps: Annotated[
            int, Field(ge=0, description="last steps of the last stage, with neighbors by layer")
        ] = 0,
        rematch: Annotated[
            int, Field(ge=1, description="steps after which these are found anew")
        ] = 25,
        generator: torch.Generator | None = None,
    ) -> None:
        """Choose how neighbors are found.

        Args:
            weight: factor of the term.
            layers: their features are stacked; those of VGG-16 up to conv4_3 unless others are given.
            stride: the picture's hypercolumns lie on a grid of so many pixels. They take 4 bytes for each
                channel: 176 MB for 512 × 512 pixels, a stride of 4 and these layers.
            samples: of each style picture, and of each of its turned copies, spread at random; 4 bytes for
                each channel, or 2 where the network computes in bfloat16: 44 MB for 8192.
            content: 1 finds the neighbors of the content, 0 those of the picture so far.
            split_steps: steps of feature splitting.
            rematch: steps between two searches while each layer has neighbors of its own.
            generator: its seed decides which samples.
        """
        super().__init__(weight, layers)
        self.stride, self.content = stride, content
        self.split_steps, self.rematch = split_steps, rematch
        self.places = Places(1, 0, samples, generator)
        self.offset = [stride // 2, stride // 2]
        """Of the grid, pixels down and across; another with each search, lest its lines show."""
        self.splits = False
        """Whether each layer has neighbors of its own now."""
        self.found: list[Tensor] = []
        """For each target in turn, indices of neighbors among its hypercolumns, (n,), or (layers, n)."""
        self.wanted: list[list[Tensor]] = []
        """For each target in turn and each layer, these neighbors' directions, (n, C)."""
        self.next = 0
        """The target that is compared next."""

    def summarize(self, features: impasto.Features) -> dict[str, impasto.Summary]:
        """``columns`` of each layer: those of the grid, (n, C)."""
        self.next = 0
        return self._columns(features, self._grid(features), self.wraps)

    def summarize_masked(
        self, features: impasto.Features, masks: Mapping[str, Tensor]
    ) -> dict[str, impasto.Summary]:
        """The same, and ``counts``: how much each place is in the mask, (n,)."""
        counts = self._counts(masks, self._grid(features), self.wraps)
        found = self.summarize(features)
        return {layer: {**summary, "counts": counts} for layer, summary in found.items()}

    def summarize_target(
        self, features: impasto.Features, masks: Mapping[str, Tensor] | None = None
    ) -> dict[str, impasto.Summary]:
        """``columns`` of the sampled places in the network's precision, (m, C); ``mean``; ``counts``."""
        found = self._columns(features, self.places.style, ())
        counts = None if masks is None else self._counts(masks, self.places.style, ())
        kept: dict[str, impasto.Summary] = {}
        for layer, summary in found.items():
            columns = summary["columns"]
            kept[layer] = {"columns": columns.to(features[layer].dtype)}
            if counts is None:
                kept[layer]["mean"] = columns.mean(0)
            else:
                mean = counts / counts.sum().clamp_min(1e-12) @ columns
                kept[layer] |= {"mean": mean, "counts": counts}
        return kept

    def join_targets(
        self, summaries: Sequence[dict[str, impasto.Summary]]
    ) -> dict[str, impasto.Summary]:
        joined = {}
        for layer in summaries[0]:
            parts = [summary[layer] for summary in summaries]
            joined[layer] = {
                name: torch.cat([part[name] for part in parts])
                for name in parts[0]
                if name != "mean"
            }
            # Turned copies have as many places, and as much of a mask.
            joined[layer]["mean"] = torch.stack([part["mean"] for part in parts]).mean(0)
        return joined

    def compare(
        self, summary: Mapping[str, impasto.Summary], target: Mapping[str, impasto.Summary]
    ) -> Tensor:
        """Mean of one minus the cosine between each hypercolumn and its neighbor, 0 to 2."""
        number, self.next = self.next, self.next + 1
        # Without a run nobody has looked for them.
        wanted = (
            self.wanted[number]
            if self.wanted
            else self.directions(self.neighbors(summary, target), target)
        )
        products, squares = [], []
        for layer, direction in zip(self.layers, wanted, strict=True):
            own = summary[layer]["columns"] - target[layer]["mean"]
            # The sum of products in each row, without a matrix of them.
            products.append(torch.bmm(own[:, None], direction.to(own)[:, :, None]).flatten())
            squares.append(own.square().sum(1))
        along, square = torch.stack(products), torch.stack(squares)
        if not self.splits:
            along, square = along.sum(0, keepdim=True), square.sum(0, keepdim=True)
        distance = (1 - along / square.clamp_min(1e-12).sqrt()).mean(0)
        return weighted_mean(distance, summary[self.layers[0]].get("counts"))

    @torch.no_grad()
    def before_step(self, run: impasto.Run) -> None:
        """Find the neighbors where a stage begins, and every so many steps once they are found by layer."""
        assert run.current is not None
        stage = run.current.stage
        done = run.done_in(stage)
        restarts = self.restarts(stage.steps)
        self.splits = stage is run.stages[-1] and bool(restarts) and done >= restarts.start
        since = done - restarts.start if self.splits else done
        if since and (not self.splits or since % self.rematch):
            if not self.wanted:  # a resumed run
                self.wanted = self._wanted(self._styles(run))
            return
        drawn = torch.Generator().manual_seed((self.places.seed + run.step + 1) % 2**63)
        self.offset = torch.randint(self.stride, (2,), generator=drawn).tolist()
        features = run.objective.features(self._searched(run))
        columns = self._columns(features, self._grid(features), self.wraps)
        styles = self._styles(run)
        # Not in memory while others are looked for.
        self.wanted.clear()
        self.found = [self.neighbors(columns, style) for style in styles]
        self.wanted = self._wanted(styles)

    def restarts(self, steps: int) -> range:
        return range(max(0, steps - self.split_steps), steps, self.rematch)

    def _searched(self, run: impasto.Run) -> Tensor:
        """The picture whose neighbors are looked for, (1, 3, H, W)."""
        assert run.current is not None
        picture: Tensor = run.current.canvas()
        content = run.current.content
        if content is None or self.splits:
            return picture
        if run.current.stage is run.stages[0]:
            return content
        # The stage before left no fine detail; the content's shows where edges are to be.
        detail = content - enlarged(halved(content), content)
        return torch.lerp(picture + detail, content, self.content)

    def _styles(self, run: impasto.Run) -> list[Mapping[str, impasto.Summary]]:
        name = next(one for one in run.objective.names if run.objective.loss(one) is self)
        return [target.summaries for target in run.objective.targets[name]]

    def _wanted(self, styles: Sequence[Mapping[str, impasto.Summary]]) -> list[list[Tensor]]:
        pairs = zip(self.found, styles, strict=True)
        return [self.directions(places, style) for places, style in pairs]

    def state(self) -> dict[str, Tensor]:
        found = {str(number): places for number, places in enumerate(self.found)}
        return {"offset": torch.tensor(self.offset), **found} if found else {}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self.offset = state["offset"].tolist()
        device, searches = self.places.style.device, len(state) - 1
        self.found = [state[str(number)].to(device) for number in range(searches)]
        self.wanted = []

    @torch.no_grad()
    def neighbors(
        self, summary: Mapping[str, impasto.Summary], style: Mapping[str, impasto.Summary]
    ) -> Tensor:
        """Indices of the nearest by cosine, each side about its own mean: (1, n), or (layers, n) if split.

        Args:
            summary: of the picture, by layer ``columns``, (n, C).
            style: by layer ``columns``, (m, C), their ``mean``, and perhaps ``counts``.
        """
        counts = style[self.layers[0]].get("counts")
        kept = None if counts is None else 2 * counts >= counts.max()
        found = []
        for layers in [[layer] for layer in self.layers] if self.splits else [list(self.layers)]:
            mine = []
            for layer in layers:
                columns = summary[layer]["columns"]
                mine.append((columns - columns.mean(0)).to(style[layer]["columns"].dtype))
            found.append(self._nearest(torch.cat(mine, 1), [style[one] for one in layers], kept))
        return torch.stack(found)

    def _nearest(
        self, mine: Tensor, style: Sequence[impasto.Summary], kept: Tensor | None
    ) -> Tensor:
        """Indices of the nearest of the style about its mean, (n,), block by block of it."""
        many = max(1, BLOCK // max(mine.shape))
        best = torch.full((len(mine),), -torch.inf, device=mine.device)
        nearest = torch.zeros(len(mine), dtype=torch.int64, device=mine.device)
        for start in range(0, len(style[0]["columns"]), many):
            end = start + many
            parts = [one["columns"][start:end].to(one["mean"]) - one["mean"] for one in style]
            # The length of the picture's own changes nothing about which is nearest.
            block = normalize(torch.cat(parts, 1)).to(mine)
            alike = (mine @ block.T).to(best)
            if kept is not None:
                alike = torch.where(kept[start:end], alike, -torch.inf)
            found = alike.max(1)
            nearest = torch.where(found.values > best, found.indices + start, nearest)
            best = torch.maximum(found.values, best)
        return nearest

    @torch.no_grad()
    def directions(self, found: Tensor, style: Mapping[str, impasto.Summary]) -> list[Tensor]:
        """Neighbors about the style's mean, with a length of one: by layer, (n, C).

        Args:
            found: their indices, (1, n), or (layers, n): then each layer has a length of one.
            style: by layer ``columns``, (m, C), and their ``mean``.
        """
        places = found.expand(len(self.layers), -1)
        moved = [
            style[layer]["columns"].index_select(0, one).to(style[layer]["mean"])
            - style[layer]["mean"]
            for layer, one in zip(self.layers, places, strict=True)
        ]
        squares = torch.stack([part.square().sum(1) for part in moved])
        if len(found) == 1:
            squares = squares.sum(0).expand(len(moved), -1)
        lengths = squares.clamp_min(1e-12).sqrt()
        return [part / length[:, None] for part, length in zip(moved, lengths, strict=True)]

    def _grid(self, features: impasto.Features) -> Tensor:
        """One place in each square of so many pixels, (n, 2)."""
        sides = [max(features[layer].shape[axis] for layer in self.layers) for axis in (2, 3)]
        like = self.places.style
        ends = []
        for side, first in zip(sides, self.offset, strict=True):
            pixels = torch.arange(0, side, self.stride, device=like.device) + first
            ends.append((pixels.clamp_max(side - 1) + 0.5) / side)
        return torch.cartesian_prod(*ends)

    def _columns(
        self, features: impasto.Features, places: Tensor, wraps: Sequence[int]
    ) -> dict[str, impasto.Summary]:
        columns = layer_columns(features, self.layers, places, wraps)
        return {layer: {"columns": one} for layer, one in zip(self.layers, columns, strict=True)}

    def _counts(self, masks: Mapping[str, Tensor], places: Tensor, wraps: Sequence[int]) -> Tensor:
        largest = max(self.layers, key=lambda layer: masks[layer].shape[2:].numel())
        return layer_columns(dict(masks), [largest], places, wraps)[0][:, 0]

    def summarize_region(self, feature: Tensor, mask: Tensor) -> impasto.Summary:
        """Says that masks are taken; :meth:`summarize_masked` does it for all layers as one."""
        raise NotImplementedError


@impasto.hookimpl
def impasto_losses() -> Iterable[impasto.Offer]:
    return [impasto.Offer("neural_neighbors", NeuralNeighborsLoss)]
