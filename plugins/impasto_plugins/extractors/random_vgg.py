"""VGG-19's shape with random weights, which needs no file and no download."""

from __future__ import annotations

from collections.abc import Iterable

import torch

import impasto
from impasto_plugins.extractors.vgg import VGG, Padding, Pooling, Scale
from impasto_plugins.extractors.vgg_weights import random_weights


class RandomVGG(VGG):
    """VGG-19's shape with random weights (He et al. 2016); they follow from --seed."""

    def __init__(
        self,
        pooling: Pooling = "max",
        padding: Padding = "zeros",
        scale: Scale = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(random_weights("vgg19", generator), pooling, padding, scale)


@impasto.hookimpl
def impasto_extractors() -> Iterable[impasto.Offer]:
    return [impasto.Offer("random", RandomVGG)]
