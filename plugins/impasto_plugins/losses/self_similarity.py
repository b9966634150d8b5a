"""Self-similarity: pixels stay as like and unlike each other as they are in the content picture.

Kolkin, Salavon and Shakhnarovich, "Style Transfer by Relaxed Optimal Transport and Self-Similarity"
(STROTSS), CVPR 2019, its content term. Departures: layer by layer, with the same pixels during a run, unless
``hypercolumns`` are asked for; the mean over columns, not over all entries, so that it does not shrink with
their number.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import normalize

import impasto
from impasto.plugin import HypercolumnLoss, Hypercolumns, Redraw, full
from impasto_plugins.losses.points import rows, sampled, spread


class SelfSimilarityLoss(HypercolumnLoss):
    """Difference of pixels' likeness to each other from the content's (STROTSS; Kolkin et al. 2019)."""

    target = "content"
    summary = "whole"
    spots: Tensor

    def __init__(
        self,
        weight: impasto.Weight = 20.0,
        layers: impasto.Layers = ("conv3_1", "conv4_1"),
        layer_weights: impasto.LayerWeights = (),
        samples: Annotated[
            int, Field(ge=2, description="pixels of each layer that are compared, at most")
        ] = 1024,
        fade: impasto.Fade = 0.0,
        hypercolumns: Hypercolumns = 0,
        redraw: Redraw = 1,
        generator: torch.Generator | None = None,
    ) -> None:
        """Choose layers and pixels.

        Args:
            weight: factor of the term.
            layers: layers that are compared.
            layer_weights: one for each layer.
            samples: a layer with more pixels gives this many, the same ones during a run.
            fade: at n times 128 pixels the term is divided by this power of n.
            hypercolumns: places at which all layers are compared as one (STROTSS: 1024), at most a few
                thousand, since each is compared with each; 0 compares layer by layer.
            redraw: steps after which these places are drawn anew; 0 keeps them.
            generator: its seed decides which.
        """
        super().__init__(weight, layers, layer_weights)
        self.fade = fade
        self.sample(hypercolumns, redraw, 1, generator)
        if not hypercolumns:
            self.register_buffer("spots", spread(samples, generator), persistent=False)

    def summarize_layer(self, feature: Tensor) -> impasto.Summary:
        """``distances``: cosine distances between sampled pixels, each column with a sum of one, (n, n)."""
        feature = full(feature)
        points = normalize(rows(feature) if self.stacks else sampled(feature, self.spots))
        # Rounding leaves a pixel some distance from itself, of either sign.
        distances = (1 - points @ points.T).clamp_min(0)
        return {"distances": distances / distances.sum(0).clamp_min(1e-12)}

    def compare_layer(self, summary: impasto.Summary, target: impasto.Summary) -> Tensor:
        """Mean over columns of the sum of absolute differences, 0 to 2."""
        return (summary["distances"] - target["distances"]).abs().sum(0).mean()


@impasto.hookimpl
def impasto_losses() -> Iterable[impasto.Offer]:
    return [impasto.Offer("self_similarity", SelfSimilarityLoss)]
