"""Help for tests of plugins: a tiny extractor, two pictures, a run in a second, checks of a loss.

A loss written for Impasto is tested in three lines::

    loss = MyLoss(layers=("conv1_1", "conv2_1"))
    impasto.testing.check_gradient(loss)
    result = impasto.testing.run(loss=["mine:layers=conv1_1,conv2_1"])
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torch.autograd.gradcheck import GradcheckError, gradcheck
from torch.nn.functional import avg_pool2d, conv2d, softplus

import impasto
from impasto.api.run import run as run_impasto
from impasto.builtin import build_host
from impasto.host.host import Kind
from impasto.images.tensors import to_picture
from impasto.model.extractor import Extractor, Features
from impasto.model.loss import Loss
from impasto.optimization.result import Result

CHANNELS = 6
LAYERS = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv4_2", "conv5_1")
"""Those of VGG-19 that the built-in losses compare unless told otherwise."""


class TinyExtractor(Extractor):
    """A network of six small convolutions with fixed random weights, by names of VGG-19's layers.

    The sides are halved between ``conv1_1``, ``conv2_1`` and ``conv3_1`` only, so that pictures of 16
    pixels are large enough. It is smooth (softplus), so that gradients fit finite differences.
    """

    layers = LAYERS
    smallest_side = 16

    def __init__(self) -> None:
        super().__init__()
        self.weights = "tiny"
        generator = torch.Generator().manual_seed(0)
        self.kernels = nn.ParameterDict()
        for layer, channels in zip(LAYERS, (3, *[CHANNELS] * 5), strict=True):
            drawn = torch.randn(CHANNELS, channels, 3, 3, generator=generator)
            self.kernels[layer] = nn.Parameter(drawn / (3 * channels**0.5), requires_grad=False)

    def forward(self, image: Tensor) -> Features:
        """(1, 3, H, W) sRGB in [0, 1] → features of the selected layers, (1, 6, h, w) each."""
        feature = image.to(self.kernels[LAYERS[0]].dtype)
        features: Features = {}
        for layer in LAYERS:
            if layer in ("conv2_1", "conv3_1"):
                feature = avg_pool2d(feature, 2)
            feature = softplus(conv2d(feature, self.kernels[layer], padding=1))
            if layer in self.selected:
                features[layer] = feature
        return features


def pictures(width: int = 32, height: int = 32, seed: int = 0) -> tuple[Image.Image, Image.Image]:
    """A content and a style picture of noise, RGB, the same for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    content, style = (torch.rand(1, 3, height, width, generator=generator) for _ in range(2))
    return to_picture(content), to_picture(style)


def run(**settings: Any) -> Result:
    """Paint one small picture in the style of another, in about a second.

    Args:
        settings: as for :func:`impasto.run`. Unless given: 32 pixels, one stage of five steps, and the
            extractor ``tiny``, which is a :class:`TinyExtractor`.

    Raises:
        ImpastoError: as :func:`impasto.run` does.
    """
    content, style = pictures()
    plugins = [__name__, *settings.pop("plugin", ())]
    defaults = {"size": 32, "scales": "single", "steps": 5, "extractor": "tiny"}
    return run_impasto(content, style, **{**defaults, **settings, "plugin": plugins})


def offered_by(kind: Kind, name: str) -> str:
    """The name of the plugin that offers something, as ``impasto plugins`` lists it.

    Args:
        kind: ``loss``, ``extractor``, ``optimizer``, ``canvas`` or ``callback``.
        name: what users type.

    Raises:
        SettingsError: no plugin offers it.
        PluginError: two plugins offer it.
    """
    return build_host().find(kind, name).origin.name


def check_gradient(loss: Loss, side: int = 12, channels: int = 3, seed: int = 0) -> None:
    """Compare the gradient of a loss with finite differences, in float64.

    The loss compares random features with a random target. Some features are below 0 and above 1.

    Args:
        loss: made with the options that matter.
        side: height and width of the features, pixels.
        channels: channels of the features, as many in each layer; the layer ``image`` has 3.
        seed: of the features.

    Raises:
        AssertionError: the loss is not one number, is not finite, does not depend on the features, or
            has a gradient that differs from the finite differences.
    """
    name = type(loss).__name__
    generator = torch.Generator().manual_seed(seed)
    own, other = (_features(loss, channels, side, generator) for _ in range(2))
    target = {} if loss.target == "none" else loss.summarize(other)
    inputs = [(feature * 3 - 1).requires_grad_() for feature in own.values()]
    term = _of_features(loss, target)
    value = term(*inputs)
    _assert(value.dim() == 0, f"{name} gives a tensor of shape {tuple(value.shape)}, not a number")
    _assert(bool(value.isfinite()), f"{name} gives {value.item()} for random features")
    gradients = torch.autograd.grad(value, inputs, allow_unused=True)
    for layer, gradient in zip(own, gradients, strict=True):
        used = gradient is not None and bool(gradient.any())
        _assert(used, f"{name} does not depend on the layer '{layer}': its gradient is zero")
    try:
        gradcheck(term, inputs, eps=1e-7, atol=1e-6, rtol=1e-4, fast_mode=True)
    except GradcheckError as error:
        raise AssertionError(
            f"the gradient of {name} differs from finite differences: {error}"
        ) from None


def check_tiles(loss: Loss, side: int = 12, channels: int = 3, seed: int = 0) -> None:
    """Check that summaries of tiles add up to the summary of the whole, as a sum over pixels does.

    Args:
        loss: one with ``summary = "sum"`` whose pixels do not look at their neighbors.
        side: height and width of the features, pixels.
        channels: channels of the features, as many in each layer; the layer ``image`` has 3.
        seed: of the features.

    Raises:
        AssertionError: the loss has another kind of summary, or one that does not add up.
    """
    name = type(loss).__name__
    _assert(loss.summary == "sum", f"{name} has summary = '{loss.summary}', not 'sum'")
    features = _features(loss, channels, side, torch.Generator().manual_seed(seed))
    whole = loss.summarize(features)
    tiles = [loss.summarize(tile) for tile in _tiles(features, side)]
    for layer, summary in whole.items():
        _assert("pixels" in summary, f"{name} keeps no 'pixels', the number of pixels it sums over")
        for key, wanted in summary.items():
            found = torch.stack([tile[layer][key] for tile in tiles]).sum(0)
            same = torch.allclose(found, wanted.to(found), rtol=1e-6)
            _assert(same, f"{name}: '{key}' of tiles do not add up to that of the whole")


def _features(loss: Loss, channels: int, side: int, generator: torch.Generator) -> Features:
    counts = {layer: 3 if layer == "image" else channels for layer in loss.layers}
    return {
        layer: torch.rand(1, count, side, side, generator=generator, dtype=torch.float64)
        for layer, count in counts.items()
    }


def _of_features(loss: Loss, target: Any) -> Callable[..., Tensor]:
    def term(*features: Tensor) -> Tensor:
        given = dict(zip(loss.layers, features, strict=True))
        return loss.compare(loss.summarize(given), target)

    return term


def _tiles(features: Features, side: int) -> Iterable[Features]:
    """Four tiles of unequal sizes."""
    parts = [slice(*ends) for ends in pairwise((0, side // 3, side))]
    for rows in parts:
        for columns in parts:
            yield {layer: feature[..., rows, columns] for layer, feature in features.items()}


def _assert(condition: bool, message: str) -> None:
    # Not a statement, which Python leaves out when it optimizes.
    if not condition:
        raise AssertionError(message)


@impasto.hookimpl
def impasto_extractors() -> Iterable[impasto.Offer]:
    return [impasto.Offer("tiny", TinyExtractor, "six small convolutions, for tests")]
