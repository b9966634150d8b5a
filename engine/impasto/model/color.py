"""Colors: keep the content picture's, by luminance alone or by recoloring the style picture first.

Gatys, Bethge, Hertzmann and Shechtman, "Preserving Color in Neural Artistic Style Transfer", 2016;
Gatys, Ecker, Bethge, Hertzmann and Shechtman, "Controlling Perceptual Factors in Neural Style Transfer",
CVPR 2017, section 5. Departure: luminance that chroma would put out of range is clipped, not the chroma.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from impasto.images.transparency import spread
from impasto.model.canvas import Canvas
from impasto.model.torus import around, inside

EDGE = 0.05
"""Deviation of luminance within a square from which on it counts as an edge, [0, 1]."""

Colors = Literal["style", "luminance", "match", "histogram"]

YIQ = (0.299, 0.587, 0.114)
"""Red, green and blue in the luminance of YIQ, as in the papers."""

SMALLEST_VARIANCE = 1e-4
"""A style's variance along an axis of color counts as this at least, [0, 1]²: otherwise the grain of a gray
painting is blown up to colors."""


def luminance(image: Tensor, weights: Tensor | None = None) -> Tensor:
    """(1, 3, H, W) sRGB → (1, 1, H, W), the luminance of YIQ, in [0, 1].

    Args:
        image: the picture.
        weights: those of YIQ, (3,), where they are on the device already; None puts them there.
    """
    given = image.new_tensor(YIQ) if weights is None else weights
    return (image * given.view(1, 3, 1, 1)).sum(1, keepdim=True)


def gray(image: Tensor, weights: Tensor | None = None) -> Tensor:
    """(1, 3, H, W) sRGB → the same size, with its luminance in all three channels."""
    return luminance(image, weights).expand(-1, 3, -1, -1)


def with_luminance(image: Tensor, wanted: Tensor) -> Tensor:
    """The picture with another luminance and its own chroma, in [0, 1].

    Args:
        image: (1, 3, H, W) sRGB in [0, 1].
        wanted: (1, 1, H, W); clipped to what the chroma of each pixel allows.
    """
    chroma = image - luminance(image)
    lowest, highest = -chroma.amin(1, keepdim=True), 1 - chroma.amax(1, keepdim=True)
    return (torch.minimum(torch.maximum(wanted, lowest), highest) + chroma).clamp(0, 1)


def with_smooth_chroma(image: Tensor, radius: int, wraps: Sequence[int] = ()) -> Tensor:
    """The picture with its luminance, and with its chroma smoothed up to where the luminance has an edge.

    The guided filter: He, Sun and Tang, "Guided Image Filtering", ECCV 2010. Within each square chroma
    becomes a line over luminance. Luminance that this chroma would put out of range is clipped.

    Args:
        image: (1, 3, H, W) sRGB in [0, 1].
        radius: of the squares, pixels; 0 leaves the picture as it is.
        wraps: axes whose ends are neighbors, of 2 and 3.
    """
    height, width = image.shape[2:]
    radius = min(radius, height // 2, width // 2)
    if not radius:
        return image

    def mean(values: Tensor) -> Tensor:
        wide = around(values, radius, radius, wraps)
        found = avg_pool2d(wide, 2 * radius + 1, 1, radius, count_include_pad=False)
        return inside(found, radius, wraps)

    # In float32 a variance would be the difference of two nearly equal numbers.
    light = luminance(image.double())
    chroma = image - light
    mean_light, mean_chroma = mean(light), mean(chroma)
    variance = mean(light * light) - mean_light * mean_light
    covariance = mean(light * chroma) - mean_light * mean_chroma
    slope = covariance / (variance + EDGE**2)
    smooth = mean(slope) * light + mean(mean_chroma - slope * mean_light)
    # What is left of luminance in it by rounding, and by clipping at the ends of the range.
    return with_luminance(smooth - luminance(smooth), light).to(image)


class LuminanceCanvas(Canvas):
    """A canvas of which only the luminance is painted; the chroma is that of a picture."""

    colored: Tensor
    weights: Tensor

    def __init__(self, canvas: Canvas, colored: Tensor) -> None:
        """Wrap a canvas.

        Args:
            canvas: what is optimized.
            colored: (1, 3, H, W) sRGB in [0, 1], of the canvas's size: it gives the chroma.
        """
        super().__init__()
        self.canvas = canvas
        self.register_buffer("colored", colored, persistent=False)
        self.register_buffer("weights", colored.new_tensor(YIQ), persistent=False)

    def forward(self) -> Tensor:
        """What the network sees: the luminance, in all three channels."""
        return gray(self.canvas(), self.weights)

    def project(self) -> None:
        self.canvas.project()

    @torch.no_grad()
    def picture(self) -> Tensor:
        painted: Tensor = self.canvas()
        return with_luminance(self.colored, luminance(painted.detach().float()))


def recolored(
    style: Tensor,
    content: Tensor,
    colors: Colors,
    style_alpha: Tensor | None = None,
    content_alpha: Tensor | None = None,
) -> Tensor:
    """The style picture with the colors that it is to give, (1, 3, H, W) sRGB in [0, 1].

    Args:
        style: (1, 3, H, W) sRGB in [0, 1].
        content: the same, of any size.
        colors: ``style`` leaves it as it is; ``luminance`` makes it gray, with the content's mean
            and deviation; ``match`` gives it the content's mean and covariance; ``histogram`` the
            content's histograms of red, green and blue.
        style_alpha: (1, 1, H, W) in [0, 1], how much each of its pixels counts; None is all.
        content_alpha: the same for the content.
    """
    if colors == "style":
        return style
    if colors == "histogram":
        return with_histogram(style, content, style_alpha, content_alpha)
    if colors == "match":
        return with_moments(style, content, style_alpha, content_alpha)
    moved = with_moments(luminance(style), luminance(content), style_alpha, content_alpha)
    return moved.expand(-1, 3, -1, -1)


def with_moments(
    style: Tensor,
    content: Tensor,
    style_alpha: Tensor | None = None,
    content_alpha: Tensor | None = None,
) -> Tensor:
    """Colors moved linearly to the content's mean and covariance: Gatys et al. 2016, section 2.1.

    The map is x → Σc^½ Σs^-½ (x - μs) + μc, which that paper takes from Image Analogies.

    Args:
        style: (1, C, H, W) in [0, 1].
        content: (1, C, h, w) in [0, 1].
        style_alpha: (1, 1, H, W), how much each pixel counts; None is all.
        content_alpha: (1, 1, h, w), the same.
    """
    mean, covariance = statistics(style, style_alpha)
    wanted_mean, wanted = statistics(content, content_alpha)
    matrix = power(wanted, 0.5) @ power(covariance, -0.5, SMALLEST_VARIANCE)
    offset = wanted_mean - matrix @ mean
    moved = torch.einsum("ij,bjhw->bihw", matrix.float(), style)
    return (moved + offset.float().view(1, -1, 1, 1)).clamp(0, 1)


def with_histogram(
    style: Tensor,
    content: Tensor,
    style_alpha: Tensor | None = None,
    content_alpha: Tensor | None = None,
) -> Tensor:
    """Each channel with the content's histogram: values of equal rank. Gatys et al. 2016, section 2.

    Args:
        style: (1, C, H, W).
        content: (1, C, h, w).
        style_alpha: (1, 1, H, W); pixels of half or more count. None is all.
        content_alpha: (1, 1, h, w), the same.
    """
    matched = style.clone()
    for channel in range(style.shape[1]):
        values, visible = style[0, channel].flatten(), _visible(style, style_alpha)
        order = visible[values[visible].argsort(stable=True)]
        ranked = content[0, channel].flatten()[_visible(content, content_alpha)].sort().values
        # The middle of each of the style's ranks, among the content's.
        places = (torch.arange(len(order)) * 2 + 1) * len(ranked) // (2 * len(order))
        matched[0, channel].view(-1)[order] = ranked[places]
    return matched if style_alpha is None else spread(matched, style_alpha)


def _visible(image: Tensor, alpha: Tensor | None) -> Tensor:
    """Places of the pixels that count, of all if none is half visible."""
    counts = None if alpha is None else alpha.flatten() >= 0.5
    if counts is None or not counts.any():
        return torch.arange(image.shape[2] * image.shape[3])
    return counts.nonzero()[:, 0]


def statistics(image: Tensor, alpha: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Mean, (C,), and covariance, (C, C), of a picture's colors, in float64.

    Args:
        image: (1, C, H, W).
        alpha: (1, 1, H, W), how much each pixel counts; None is all.
    """
    pixels = image.double().flatten(2)[0]
    if alpha is None:
        mean = pixels.mean(1)
        centered = pixels - mean[:, None]
        return mean, centered @ centered.T / pixels.shape[1]
    weights = alpha.double().flatten() / alpha.double().sum()
    mean = pixels @ weights
    centered = pixels - mean[:, None]
    return mean, (centered * weights) @ centered.T


def power(covariance: Tensor, exponent: float, least: float = 0.0) -> Tensor:
    """A symmetric power of a covariance, (C, C); eigenvalues below ``least`` count as that."""
    values, vectors = torch.linalg.eigh(covariance)
    raised: Tensor = vectors @ torch.diag(values.clamp_min(least) ** exponent) @ vectors.T
    return raised
