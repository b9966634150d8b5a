"""Measures that no loss of Impasto optimizes: structure, perceptual distance, colors.

Structure is SSIM (Wang, Bovik, Sheikh and Simoncelli, IEEE TIP 2004) of the luminance; the perceptual
distance is LPIPS (Zhang, Isola, Efros, Shechtman and Wang, CVPR 2018); both are torchmetrics'. The distance
of colors is that of histograms, the earth mover's of each channel of CIE Lab.
"""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Literal

import torch
from torch import Tensor

from impasto.model.color import luminance

PACKAGE = "torchmetrics"
Network = Literal["alex", "vgg", "squeeze"]
NETWORKS: dict[Network, str] = {
    "alex": "AlexNet_Weights",
    "vgg": "VGG16_Weights",
    "squeeze": "SqueezeNet1_1_Weights",
}
"""Networks of LPIPS, in the order in which they are looked for, with torchvision's names of their weights."""
LPIPS_SIDE = 64
"""Shortest side that LPIPS takes here, pixels; its networks halve it four times."""
QUANTILES = 512
"""Of a histogram that are compared."""

TO_XYZ = ((0.4124564, 0.3575761, 0.1804375),
          (0.2126729, 0.7151522, 0.0721750),
          (0.0193339, 0.1191920, 0.9503041))  # fmt: skip
"""Linear sRGB to CIE XYZ (IEC 61966-2-1)."""
WHITE = (0.95047, 1.0, 1.08883)
"""D65."""

logger = logging.getLogger("impasto")


def structure_measures(content: Tensor) -> dict[str, Callable[[Tensor], float]]:
    """What tells a picture's structure from the content's, as far as it is installed; what is not is said.

    Args:
        content: (1, 3, H, W) sRGB in [0, 1].

    Returns:
        ``ssim``: 1 is equal, 0 nothing in common; ``lpips``: 0 is equal, about 0.7 nothing in common.
    """
    if importlib.util.find_spec(PACKAGE) is None:
        logger.info(
            "SSIM and LPIPS are left out: they need the package %s, which is not installed: pip install"
            " 'impasto[compare]'",
            PACKAGE,
        )
        return {}
    from torchmetrics.functional.image import structural_similarity_index_measure

    def ssim(picture: Tensor) -> float:
        found = structural_similarity_index_measure(
            luminance(picture), luminance(content), data_range=1.0
        )
        return float(found)  # type: ignore[arg-type]

    measures: dict[str, Callable[[Tensor], float]] = {"ssim": ssim}
    network = _lpips_network(content)
    if network is not None:
        from torchmetrics.functional.image import learned_perceptual_image_patch_similarity

        def lpips(picture: Tensor) -> float:
            return float(
                learned_perceptual_image_patch_similarity(
                    picture, content, net_type=network, normalize=True
                )
            )

        measures["lpips"] = lpips
    return measures


def _lpips_network(content: Tensor) -> Network | None:
    """The first network of LPIPS whose weights are at hand; None if none can be used, which is said."""
    import torchvision

    if min(content.shape[2:]) < LPIPS_SIDE:
        logger.info("LPIPS is left out: it needs %d pixels on each side", LPIPS_SIDE)
        return None
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    files = {
        network: folder / PurePosixPath(getattr(torchvision.models, name).DEFAULT.url).name
        for network, name in NETWORKS.items()
    }
    for network, file in files.items():
        if file.is_file():
            return network
    logger.info(
        "LPIPS is left out: the weights of its network are not at hand, and nothing is downloaded: put one of"
        " %s into '%s'",
        ", ".join(file.name for file in files.values()), folder,
    )  # fmt: skip
    return None


def to_lab(image: Tensor) -> Tensor:
    """(1, 3, H, W) sRGB in [0, 1] as CIE Lab, white D65: L in [0, 100], a and b about ±100."""
    linear = torch.where(image > 0.04045, ((image + 0.055) / 1.055) ** 2.4, image / 12.92)
    xyz = torch.einsum("dc,nchw->ndhw", image.new_tensor(TO_XYZ), linear)
    relative = xyz / image.new_tensor(WHITE).view(1, 3, 1, 1)
    root = torch.where(
        relative > (6 / 29) ** 3,
        relative.clamp_min(1e-9) ** (1 / 3),
        relative * (29 / 6) ** 2 / 3 + 4 / 29,
    )
    x, y, z = root.unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], 1)


def color_distance(one: Tensor, other: Tensor) -> float:
    """How far the colors of two pictures, of any sizes, are from each other, wherever they are.

    The earth mover's distance of the histograms of each channel of CIE Lab, and the length of these three:
    2.3 is what one just sees if all pixels differ by it (Mahy, Van Eycken and Oosterlinck 1994).

    Args:
        one: (1, 3, H, W) sRGB in [0, 1].
        other: the same.
    """
    apart = (_quantiles(one) - _quantiles(other)).abs().mean(1)
    return float(torch.linalg.vector_norm(apart))


def _quantiles(image: Tensor) -> Tensor:
    """(3, QUANTILES): of each channel of CIE Lab, at the middle of equal parts."""
    ordered = to_lab(image)[0].flatten(1).sort(1).values
    places = (torch.arange(QUANTILES, device=image.device) + 0.5) / QUANTILES * ordered.shape[
        1
    ] - 0.5
    below = places.floor().clamp(0, ordered.shape[1] - 1).long()
    above = (below + 1).clamp_max(ordered.shape[1] - 1)
    return torch.lerp(ordered[:, below], ordered[:, above], (places - below).clamp(0, 1))
