"""Nearest neighbors: each patch of features is drawn to the style patch that is most like it.

Li and Wand, "Combining Markov Random Fields and Convolutional Neural Networks for Image Synthesis", CVPR
2016 (CNNMRF; its energy E_s); with patches of one pixel and a cosine distance Kolkin, Kucera, Paris, Sykora,
Shechtman and Shakhnarovich, "Neural Neighbor Style Transfer", 2022 (NNST). Departures: terms are means, not
sums; of a large style picture a sample of the patches is used; no rotated or scaled copies.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import unfold

import impasto
from impasto_plugins.losses.points import Distance, as_measured, closest, rows, sampled, spread


class NearestLoss(impasto.Loss):
    """Distance of feature patches from the style's most similar ones (CNNMRF; Li and Wand 2016)."""

    summary = "whole"
    places: Tensor

    def __init__(
        self,
        weight: impasto.Weight = 30.0,
        layers: impasto.Layers = ("conv3_1", "conv4_1"),
        layer_weights: impasto.LayerWeights = (),
        patch_size: Annotated[
            int, Field(ge=1, description="side of a patch, in pixels of its layer")
        ] = 3,
        distance: Annotated[Distance, Field(description="how alike two patches are")] = "squared",
        samples: Annotated[
            int, Field(ge=1, description="style patches of each layer that are looked at, at most")
        ] = 4096,
        generator: torch.Generator | None = None,
    ) -> None:
        """Choose patches and distance.

        Args:
            weight: factor of the term.
            layers: layers that are compared.
            layer_weights: one for each layer.
            patch_size: side of a patch; 1 compares features pixel by pixel, as NNST.
            distance: ``squared``: chosen by cosine, then pulled by the squared distance, relative to
                the style's mean square (CNNMRF); ``cosine`` (NNST), or ``contextual`` (cosine about
                the style's mean, as in the contextual loss). The last two do not see how strong a
                feature is, so contrast and colors fade unless ``moments`` is used as well.
            samples: a style picture with more patches gives this many, spread at random; they are the
                same ones during a run.
            generator: its seed decides which.
        """
        super().__init__(weight, layers, layer_weights)
        self.patch_size, self.distance = patch_size, distance
        self.register_buffer("places", spread(samples, generator), persistent=False)

    def summarize_layer(self, feature: Tensor) -> impasto.Summary:
        """``patches``: (1, C · patch², h - patch + 1, w - patch + 1); h and w along axes that wrap.

        Raises:
            SettingsError: the layer is smaller than a patch.
        """
        feature = self.around(feature, 0, self.patch_size - 1)
        height, width = (side - self.patch_size + 1 for side in feature.shape[2:])
        if min(height, width) < 1:
            raise impasto.SettingsError(
                f"loss 'nearest': a patch of {self.patch_size} does not fit a layer of"
                f" {feature.shape[3]} × {feature.shape[2]} pixels"
            )
        return {"patches": unfold(feature, self.patch_size).reshape(1, -1, height, width)}

    def compare_layer(self, summary: impasto.Summary, target: impasto.Summary) -> Tensor:
        """Mean distance of the picture's patches from their nearest: 0 or more; cosine at most 2."""
        patches, wanted = rows(summary["patches"]), sampled(target["patches"], self.places)
        chosen_by = "cosine" if self.distance == "squared" else self.distance
        nearest = closest(*as_measured(patches.detach(), wanted, chosen_by))
        patches, wanted = as_measured(patches, wanted, self.distance)
        return (patches - wanted[nearest]).square().sum(1).mean()


@impasto.hookimpl
def impasto_losses() -> Iterable[impasto.Offer]:
    return [impasto.Offer("nearest", NearestLoss)]
