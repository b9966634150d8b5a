"""Sliced Wasserstein distance: features projected on many directions, each compared rank by rank.

Heitz, Vanhoey, Chambon and Belcour, "A Sliced Wasserstein Loss for Neural Texture Synthesis", CVPR 2021.
Departures: the directions are orthogonal, and stay the same during a run; the distance is
relative to the style's mean square. Where the pictures differ in size, the style's values are taken at
evenly spaced ranks.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import normalize

import impasto
from impasto.plugin import STYLE_LAYERS
from impasto_plugins.losses.points import relative_rank_difference, rows


class SlicedLoss(impasto.Loss):
    """Sliced Wasserstein distance of features from the style's (Heitz et al. 2021)."""

    summary = "whole"

    def __init__(
        self,
        weight: impasto.Weight = 100.0,
        layers: impasto.Layers = STYLE_LAYERS,
        layer_weights: impasto.LayerWeights = (),
        projections: Annotated[
            int,
            Field(
                ge=0,
                description="directions that each layer is projected on; 0 is as many as its channels",
            ),
        ] = 0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(weight, layers, layer_weights)
        self.projections = projections
        self.seed = generator.initial_seed() if generator is not None else 0
        self.drawn: dict[int, Tensor] = {}

    def summarize_layer(self, feature: Tensor) -> impasto.Summary:
        """``ranked``: the projections on each direction, ascending, (directions, pixels)."""
        projected = self.directions(feature) @ rows(feature).T
        return {"ranked": projected.sort(1).values}

    def compare_layer(self, summary: impasto.Summary, target: impasto.Summary) -> Tensor:
        """The distance divided by the mean square of the style's projections: 0 or more."""
        return relative_rank_difference(summary["ranked"], target["ranked"])

    def directions(self, feature: Tensor) -> Tensor:
        """Directions for a layer, (number, C), of length one; from the run's seed."""
        channels = feature.shape[1]
        # Targets are summarized first, so the compiled objective finds them drawn.
        if channels not in self.drawn:
            generator = torch.Generator().manual_seed(self.seed)
            empty = torch.empty(self.projections or channels, channels)
            drawn = normalize(nn.init.orthogonal_(empty, generator=generator))
            self.drawn[channels] = drawn.to(feature)
        # The features may have been moved since.
        return self.drawn[channels].to(feature)


@impasto.hookimpl
def impasto_losses() -> Iterable[impasto.Offer]:
    return [impasto.Offer("sliced", SlicedLoss)]
