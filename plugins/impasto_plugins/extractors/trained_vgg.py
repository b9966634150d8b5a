"""VGG networks with trained weights: one extractor for each row of the table ``NETWORKS``.

VGG-19 is the network of Gatys, Ecker and Bethge, CVPR 2016; VGG-16 that of Johnson, Alahi and Fei-Fei,
"Perceptual Losses for Real-Time Style Transfer and Super-Resolution", ECCV 2016. Batch normalization
(Ioffe and Szegedy, ICML 2015) is fixed as it was trained, and part of the convolutions.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Annotated

from pydantic import Field

import impasto
from impasto_plugins.extractors.vgg import VGG, Padding, Pooling, Scale
from impasto_plugins.extractors.vgg_weights import Network, load_weights

NETWORKS: dict[Network, tuple[str, str]] = {
    "vgg19": (
        "oxford",
        "VGG-19 by the paper's layer names; runs no further than the deepest layer",
    ),
    "vgg16": ("torchvision", "VGG-16 by the paper's layer names"),
    "vgg19_bn": ("torchvision", "VGG-19 with batch normalization, by the paper's layer names"),
    "vgg16_bn": ("torchvision", "VGG-16 with batch normalization, by the paper's layer names"),
}
"""Each network's default weights and line of help."""


def trained_vgg(
    network: Network,
    weights: Annotated[
        str,
        Field(description="oxford (of vgg19, bundled), torchvision (its hub), or a file of either"),
    ],
    pooling: Pooling = "max",
    padding: Padding = "zeros",
    scale: Scale = True,
) -> VGG:
    """Load the weights and build the network.

    Raises:
        SettingsError: weights that cannot be fetched, or a file that does not hold them.
    """
    return VGG(load_weights(weights, network), pooling, padding, scale)


@impasto.hookimpl
def impasto_extractors() -> Iterable[impasto.Offer]:
    return [
        impasto.Offer(network, partial(trained_vgg, network, weights=weights), line)
        for network, (weights, line) in NETWORKS.items()
    ]
