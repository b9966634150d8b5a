"""Temporal loss: the picture stays what another one is, where a mask says so.

Ruder, Dosovitskiy and Brox, "Artistic Style Transfer for Videos", GCPR 2016, sections 4.1 and 4.2: the other
picture is an earlier frame as it was painted, warped to this one. ``impasto video`` makes picture and mask.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field
from torch import Tensor

import impasto
from impasto.plugin import open_picture, resized


class TemporalLoss(impasto.Loss):
    """Squared difference from a warped earlier frame, where a mask is white (Ruder et al. 2016)."""

    target = "none"
    layers = ("image",)
    summary = "whole"
    picture: Tensor
    mask: Tensor

    def __init__(
        self,
        picture: Annotated[str, Field(min_length=1, description="the warped frame, a file")],
        mask: Annotated[
            str, Field(description="a picture, white where the frame counts; empty is everywhere")
        ] = "",
        weight: impasto.Weight = 1000.0,
    ) -> None:
        super().__init__(weight)
        warped = open_picture(picture, smallest_side=1).image
        seen = open_picture(mask, smallest_side=1).image[:, :1] if mask else warped[:, :1] * 0 + 1
        self.register_buffer("picture", warped, persistent=False)
        self.register_buffer("mask", resized(seen, *warped.shape[2:]), persistent=False)

    def summarize_layer(self, feature: Tensor) -> impasto.Summary:
        return {"image": feature}

    def compare_layer(self, summary: impasto.Summary, target: impasto.Summary) -> Tensor:
        """Mean over pixels and colors of the squared difference times the mask: 0 or more."""
        image = summary["image"]
        wanted = resized(self.picture.to(image), *image.shape[2:])
        counts = resized(self.mask.to(image), *image.shape[2:])
        return (counts * (image - wanted).square()).mean()


@impasto.hookimpl
def impasto_losses() -> Iterable[impasto.Offer]:
    return [impasto.Offer("temporal", TemporalLoss)]
