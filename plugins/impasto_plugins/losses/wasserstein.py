"""Squared 2-Wasserstein distance between Gaussians with the means and covariances of features.

|μ - μ'|² + tr(Σ + Σ' - 2 (Σ'^½ Σ Σ'^½)^½): Dowson and Landau, "The Fréchet Distance between
Multivariate Normal Distributions", 1982. Roots by the coupled Newton–Schulz iteration: Higham,
"Functions of Matrices", 2008, chapter 6, scaled as in Chen and Chow, "A Stable Scaling of Newton-Schulz for
Improving the Sign Function Computation", 2014. Departures: both Gaussians are blurred alike, which keeps the
roots apart from zero, and the distance is relative to the style's mean square.

What keeps float32 finite: rounding leaves a covariance, and a product of two, with eigenvalues a little
below zero, which the iteration would blow up. Each is raised by a few times its rounding error first; what
that adds to the roots is taken off again by their Taylor series.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

import impasto
from impasto.plugin import STYLE_LAYERS
from impasto_plugins.losses.products import sums_of

BLUR = 1e-3
"""Variance added in every direction to both Gaussians, relative to the norm of the style's covariance.
In float32 a product of two covariances does not tell smaller variances from zero."""

ROUNDING = 4
"""Rounding errors of a covariance, in units of the last place of the features' mean square."""

SHIFT = 2
"""Rounding errors of a product of covariances, in units of the last place of its norm: measured -0.8 at 256
channels and -1.7 at 512."""

SMALLEST = 1e-3
"""Roots of eigenvalues are found exactly from this size on, relative to the root of the matrix's norm."""


def _scales(smallest: float, iterations: int) -> tuple[float, ...]:
    scales = []
    for _ in range(iterations):
        scales.append(math.sqrt(3 / (1 + smallest + smallest**2)))
        smallest = smallest * scales[-1] * (3 - (smallest * scales[-1]) ** 2) / 2
    return tuple(scales)


SCALES = _scales(SMALLEST, iterations=12)
"""One for each iteration: the plain iteration moves small roots by a factor of 1.5, the scaled one by up
to 2.6, which saves nearly half of the iterations."""


class WassersteinLoss(impasto.Loss):
    """Squared 2-Wasserstein distance of Gaussians from the style's (Dowson and Landau 1982)."""

    precision = "network"

    def __init__(
        self,
        weight: impasto.Weight = 50.0,
        layers: impasto.Layers = STYLE_LAYERS,
        layer_weights: impasto.LayerWeights = (),
    ) -> None:
        super().__init__(weight, layers, layer_weights)

    def summarize_layer(self, feature: Tensor) -> impasto.Summary:
        """Sums over pixels: ``sum`` of x, (C,); ``product`` of x xᵀ, (C, C); ``pixels``: their number."""
        return sums_of(feature)

    def summarize_region(self, feature: Tensor, mask: Tensor) -> impasto.Summary:
        return sums_of(feature, mask)

    def compare_layer(self, summary: impasto.Summary, target: impasto.Summary) -> Tensor:
        """The distance divided by the style's mean square: about 0 to 1, more if it overshoots."""
        mean, covariance = gaussian(summary)
        wanted_mean, wanted = gaussian(target)
        scale = wanted_mean.square().sum() + wanted.trace()
        blur = (
            BLUR
            * wanted.square().sum().sqrt().clamp_min(1e-12)
            * torch.eye(len(mean), dtype=mean.dtype, device=mean.device)
        )
        covariance, wanted = covariance + blur, wanted + blur
        # With any F that has F Fᵀ = Σ', Fᵀ Σ F has the eigenvalues of Σ'^½ Σ Σ'^½.
        factor = torch.linalg.cholesky_ex(wanted).L
        overlap = trace_of_root(factor.T @ covariance @ factor)
        spread = covariance.trace() + wanted.trace() - 2 * overlap
        return ((mean - wanted_mean).square().sum() + spread) / scale.clamp_min(1e-12)


def gaussian(summary: impasto.Summary) -> tuple[Tensor, Tensor]:
    """Mean, (C,), and covariance, (C, C), from sums over pixels; its eigenvalues are above zero."""
    mean, square = summary["sum"] / summary["pixels"], summary["product"] / summary["pixels"]
    floor = ROUNDING * torch.finfo(square.dtype).eps * square.trace()
    return mean, square - mean.outer(mean) + floor * torch.eye(
        len(mean), dtype=square.dtype, device=square.device
    )


def newton_schulz(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Root and inverse root of a symmetric matrix without negative eigenvalues, (C, C) each.

    Roots of eigenvalues below ``SMALLEST``² of the norm come out too small, and their inverses bounded.
    """
    norm = matrix.square().sum().sqrt().clamp_min(1e-30)
    identity = torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device)
    root, inverse = matrix / norm, identity
    for scale in SCALES:
        factor = 1.5 * scale * identity - 0.5 * scale**3 * inverse @ root
        root, inverse = root @ factor, factor @ inverse
    return root * norm.sqrt(), inverse / norm.sqrt()


class _TraceOfRoot(torch.autograd.Function):
    """tr M^½, whose gradient is ½ M^-½: the iteration has that at hand, and it is bounded.

    Going back through the iterations would multiply their rounding errors. With S = M + d, and P = d S^-1:
    M^½ = S^½ (1 - P/2 - P²/8 - …) and M^-½ = S^-½ (1 + P/2 + 3P²/8 + …).
    """

    @staticmethod
    def forward(ctx: Any, matrix: Tensor) -> Tensor:
        shift = SHIFT * torch.finfo(matrix.dtype).eps * matrix.square().sum().sqrt()
        identity = torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device)
        root, inverse = newton_schulz((matrix + matrix.T) / 2 + shift * identity)
        ratio = shift * inverse @ inverse
        ctx.save_for_backward(inverse @ (identity + ratio @ (identity / 2 + ratio * 0.375)))
        taken_off = shift * (inverse.trace() / 2 + (inverse * ratio).sum() / 8)
        return root.trace() - taken_off

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (inverse,) = ctx.saved_tensors
        return gradients[0] * inverse / 2  # type: ignore[no-any-return]


def trace_of_root(matrix: Tensor) -> Tensor:
    """Trace of M^½ of a symmetric matrix without negative eigenvalues; its gradient is finite."""
    trace: Tensor = _TraceOfRoot.apply(matrix)
    return trace


@impasto.hookimpl
def impasto_losses() -> Iterable[impasto.Offer]:
    return [impasto.Offer("wasserstein", WassersteinLoss)]
