"""Relaxed earth mover's distance between the features of the picture and of the style.

Kolkin, Salavon and Shakhnarovich, "Style Transfer by Relaxed Optimal Transport and Self-Similarity"
(STROTSS), CVPR 2019, its style term. Departure: without ``hypercolumns``, layer by layer, all pixels of the
picture against a fixed sample of the style's, so that L-BFGS can be used and every pixel is moved. The
paper's moment term is the loss ``covariance``, its palette term ``palette``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

import impasto
from impasto.plugin import HypercolumnLoss, Hypercolumns, Redraw, full
from impasto_plugins.losses.points import Distance, as_measured, counted, relaxed_distance, spread


class RelaxedEMDLoss(HypercolumnLoss):
    """Relaxed earth mover's distance of features from the style's (STROTSS; Kolkin et al. 2019)."""

    summary = "whole"
    spots: Tensor

    def __init__(
        self,
        weight: impasto.Weight = 30.0,
        layers: impasto.Layers = ("conv2_1", "conv3_1", "conv4_1"),
        layer_weights: impasto.LayerWeights = (),
        distance: Annotated[Distance, Field(description="cost of moving a feature")] = "cosine",
        samples: Annotated[
            int,
            Field(ge=1, description="style pixels (of each layer) that are looked at, at most"),
        ] = 4096,
        hypercolumns: Hypercolumns = 0,
        redraw: Redraw = 1,
        generator: torch.Generator | None = None,
    ) -> None:
        """Choose layers and distance.

        Args:
            weight: factor of the term.
            layers: layers that are compared.
            layer_weights: one for each layer.
            distance: ``cosine`` (STROTSS), ``contextual`` (cosine about the style's mean feature), or
                ``squared``, relative to the style's mean square. The first two do not see how
                strong a feature is; STROTSS adds its moment and palette terms for that.
            samples: a style picture with more pixels gives this many, spread at random; they are the
                same ones during a run.
            hypercolumns: places of the picture at which all layers are compared as one (STROTSS: 1024); 0
                compares layer by layer.
            redraw: steps after which these places are drawn anew; 0 keeps them.
            generator: its seed decides which.
        """
        super().__init__(weight, layers, layer_weights)
        self.distance = distance
        self.sample(hypercolumns, redraw, samples, generator)
        if not hypercolumns:
            self.register_buffer("spots", spread(samples, generator), persistent=False)

    def summarize_layer(self, feature: Tensor) -> impasto.Summary:
        """``feature``: as it is, (1, C, h, w)."""
        return {"feature": full(feature)}

    def summarize_region(self, feature: Tensor, mask: Tensor) -> impasto.Summary:
        """``feature``, and ``counts``: how much each pixel is in the mask, (1, 1, h, w)."""
        return {"feature": full(feature), "counts": full(mask)}

    def compare_layer(self, summary: impasto.Summary, target: impasto.Summary) -> Tensor:
        """The larger of the mean costs from picture to style and back: 0 or more; cosine at most 2."""
        mine, counts = counted(summary)
        places = None if self.stacks else self.spots
        wanted, style_counts = counted(self.style_of_step(target), places)
        measured = as_measured(mine, wanted, self.distance, style_counts)
        return relaxed_distance(*measured, counts, style_counts)


@impasto.hookimpl
def impasto_losses() -> Iterable[impasto.Offer]:
    return [impasto.Offer("relaxed_emd", RelaxedEMDLoss)]
