"""VGG-16 with batch normalization (Ioffe and Szegedy, ICML 2015), fixed as it was trained."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

import impasto
from impasto_plugins.extractors.vgg import VGG, Padding, Pooling, Scale
from impasto_plugins.extractors.vgg_weights import load_weights


class VGG16BatchNorm(VGG):
    """VGG-16 with batch normalization, by the paper's layer names, after ReLU."""

    def __init__(
        self,
        weights: Annotated[
            str, Field(description="torchvision (its hub), or a file of it")
        ] = "torchvision",
        pooling: Pooling = "max",
        padding: Padding = "zeros",
        scale: Scale = True,
    ) -> None:
        """Load the weights.

        Raises:
            SettingsError: weights that cannot be had, or a file that does not hold them.
        """
        super().__init__(load_weights(weights, "vgg16_bn"), pooling, padding, scale)


@impasto.hookimpl
def impasto_extractors() -> Iterable[impasto.Offer]:
    return [impasto.Offer("vgg16_bn", VGG16BatchNorm)]
