"""Neural neighbors: each hypercolumn of the picture is drawn to the one of the style that is most like it.

Kolkin, Kucera, Paris, Sýkora, Shechtman and Shakhnarovich, "Neural Neighbor Style Transfer" (NNST), 2022, its
variant that optimizes pixels. The neighbors are found at the start of each stage, for a blend of the content
and the picture so far, and kept: so shapes stay without a content loss. In the last steps they are found anew
for each layer by itself ("feature splitting"), which sharpens strokes. Both sides are centered before cosines
are taken. Departures: a random sample of the style's hypercolumns; in the last steps neighbors are kept for a
few steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import normalize

import impasto
from impasto.plugin import Places, hypercolumns
from impasto_plugins.losses.points import weighted_mean

LAYERS = ("conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2", "conv3_3",
          "conv4_1", "conv4_2", "conv4_3")  # fmt: skip
BLOCK = 2**24
"""Similarities that are in memory at a time (64 MB in float32)."""
COLUMNS = "hypercolumns"


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
        self.next = 0
        """The target that is compared next."""
        self.widths: list[int] = []
        """Channels of each layer."""

    def summarize(self, features: impasto.Features) -> dict[str, impasto.Summary]:
        """``columns``: those of the grid, (n, ΣC)."""
        self.next = 0
        return {COLUMNS: {"columns": self._columns(features, self._grid(features), self.wraps)}}

    def summarize_masked(
        self, features: impasto.Features, masks: Mapping[str, Tensor]
    ) -> dict[str, impasto.Summary]:
        """The same, and ``counts``: how much each place is in the mask, (n,)."""
        counts = self._counts(masks, self._grid(features), self.wraps)
        return {COLUMNS: {**self.summarize(features)[COLUMNS], "counts": counts}}

    def summarize_target(
        self, features: impasto.Features, masks: Mapping[str, Tensor] | None = None
    ) -> dict[str, impasto.Summary]:
        """``columns`` of the sampled places in the network's precision, (m, ΣC); ``mean``; ``counts``."""
        columns = self._columns(features, self.places.style, ())
        kept = {"columns": columns.to(features[self.layers[0]].dtype)}
        if masks is None:
            return {COLUMNS: {**kept, "mean": columns.mean(0)}}
        counts = self._counts(masks, self.places.style, ())
        mean = counts / counts.sum().clamp_min(1e-12) @ columns
        return {COLUMNS: {**kept, "mean": mean, "counts": counts}}

    def join_targets(
        self, summaries: Sequence[dict[str, impasto.Summary]]
    ) -> dict[str, impasto.Summary]:
        parts = [summary[COLUMNS] for summary in summaries]
        joined = {
            name: torch.cat([part[name] for part in parts]) for name in parts[0] if name != "mean"
        }
        # Turned copies have as many places, and as much of a mask.
        joined["mean"] = torch.stack([part["mean"] for part in parts]).mean(0)
        return {COLUMNS: joined}

    def compare(
        self, summary: Mapping[str, impasto.Summary], target: Mapping[str, impasto.Summary]
    ) -> Tensor:
        """Mean of one minus the cosine between each hypercolumn and its neighbor, 0 to 2."""
        mine, style = summary[COLUMNS], target[COLUMNS]
        number, self.next = self.next, self.next + 1
        # Without a run nobody has looked for them.
        found = self.found[number] if self.found else self.neighbors(mine["columns"], style)
        terms = []
        for part, places in zip(self._parts(), found, strict=True):
            mean, own = style["mean"][part], mine["columns"][:, part]
            wanted = style["columns"][:, part].index_select(0, places).to(own) - mean
            own = own - mean
            lengths = (own.square().sum(1) * wanted.square().sum(1)).clamp_min(1e-12).sqrt()
            distance = 1 - (own * wanted).sum(1) / lengths
            terms.append(weighted_mean(distance, mine.get("counts")))
        return torch.stack(terms).mean()

    @torch.no_grad()
    def before_step(self, run: impasto.Run) -> None:
        """Find the neighbors where a stage begins, and every so many steps once they are found by layer."""
        assert run.current is not None
        stage, content = run.current.stage, run.current.content
        done = run.done_in(stage)
        splits_from = stage.steps - self.split_steps if stage is run.stages[-1] else stage.steps
        self.splits = done >= splits_from
        if not self.splits and done:
            return
        if self.splits and (done - max(0, splits_from)) % self.rematch:
            return
        drawn = torch.Generator().manual_seed((self.places.seed + run.step + 1) % 2**63)
        self.offset = torch.randint(self.stride, (2,), generator=drawn).tolist()
        picture = run.current.canvas()
        if content is not None and not self.splits:
            picture = torch.lerp(picture, content, self.content)
        features = run.objective.features(picture)
        columns = self._columns(features, self._grid(features), self.wraps)
        name = next(one for one in run.objective.names if run.objective.loss(one) is self)
        targets = run.objective.targets[name]
        self.found = [self.neighbors(columns, target.summaries[COLUMNS]) for target in targets]

    def state(self) -> dict[str, Tensor]:
        found = {str(number): places for number, places in enumerate(self.found)}
        return {"offset": torch.tensor(self.offset), **found} if found else {}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self.offset = state["offset"].tolist()
        device, searches = self.places.style.device, len(state) - 1
        self.found = [state[str(number)].to(device) for number in range(searches)]

    @torch.no_grad()
    def neighbors(self, columns: Tensor, style: impasto.Summary) -> Tensor:
        """Indices of the nearest by cosine, each side about its own mean: (1, n), or (layers, n) if split.

        Args:
            columns: of the picture, (n, ΣC).
            style: its ``columns``, (m, ΣC), and perhaps ``counts``.
        """
        counts = style.get("counts")
        kept = None if counts is None else 2 * counts >= counts.max()
        return torch.stack([
            self._nearest(
                (columns[:, part] - columns[:, part].mean(0)).to(style["columns"].dtype),
                style["columns"][:, part], style["mean"][part], kept,
            )
            for part in self._parts()
        ])  # fmt: skip

    def _nearest(self, mine: Tensor, others: Tensor, mean: Tensor, kept: Tensor | None) -> Tensor:
        """Indices of the nearest of others about a mean, (n,), block by block of them."""
        many = max(1, BLOCK // len(mine))
        best = mean.new_full((len(mine),), -torch.inf)
        nearest = torch.zeros(len(mine), dtype=torch.int64, device=mine.device)
        for start in range(0, len(others), many):
            # The length of the picture's own changes nothing about which is nearest.
            block = normalize(others[start : start + many].to(mean) - mean).to(mine)
            alike = (mine @ block.T).to(best)
            if kept is not None:
                alike = torch.where(kept[start : start + many], alike, -torch.inf)
            found = alike.max(1)
            nearest = torch.where(found.values > best, found.indices + start, nearest)
            best = torch.maximum(found.values, best)
        return nearest

    def _parts(self) -> list[slice]:
        """The channels that are compared as one: all, or those of each layer."""
        if not self.splits:
            return [slice(0, sum(self.widths))]
        ends = [sum(self.widths[: number + 1]) for number in range(len(self.widths))]
        return [slice(end - width, end) for end, width in zip(ends, self.widths, strict=True)]

    def _grid(self, features: impasto.Features) -> Tensor:
        """One place in each square of so many pixels, (n, 2)."""
        sides = [max(features[layer].shape[axis] for layer in self.layers) for axis in (2, 3)]
        like = self.places.style
        ends = []
        for side, first in zip(sides, self.offset, strict=True):
            pixels = torch.arange(0, side, self.stride, device=like.device) + first
            ends.append((pixels.clamp_max(side - 1) + 0.5) / side)
        return torch.cartesian_prod(*ends)

    def _columns(self, features: impasto.Features, places: Tensor, wraps: Sequence[int]) -> Tensor:
        self.widths = [features[layer].shape[1] for layer in self.layers]
        return hypercolumns(features, self.layers, places, wraps)[0, :, 0].T

    def _counts(self, masks: Mapping[str, Tensor], places: Tensor, wraps: Sequence[int]) -> Tensor:
        largest = max(self.layers, key=lambda layer: masks[layer].shape[2:].numel())
        return hypercolumns(dict(masks), [largest], places, wraps)[0, 0, 0]

    def summarize_region(self, feature: Tensor, mask: Tensor) -> impasto.Summary:
        """Says that masks are taken; :meth:`summarize_masked` does it for all layers as one."""
        raise NotImplementedError


@impasto.hookimpl
def impasto_losses() -> Iterable[impasto.Offer]:
    return [impasto.Offer("neural_neighbors", NeuralNeighborsLoss)]
