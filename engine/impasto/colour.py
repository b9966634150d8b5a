"""Colours of a picture as numbers, and moving them from one picture to another."""

from __future__ import annotations

import torch
from torch import Tensor


def statistics(image: Tensor) -> tuple[Tensor, Tensor]:
    """Mean, (3,), and covariance, (3, 3), of a picture's colours, in float64.

    Args:
        image: (1, 3, H, W) sRGB in [0, 1].
    """
    pixels = image.double().flatten(2)[0]
    mean = pixels.mean(1)
    centred = pixels - mean[:, None]
    return mean, centred @ centred.T / pixels.shape[1]


def root(covariance: Tensor) -> Tensor:
    """The symmetric root of a covariance, (3, 3); what rounding made negative counts as zero."""
    values, vectors = torch.linalg.eigh(covariance)
    made: Tensor = vectors @ torch.diag(values.clamp_min(0).sqrt()) @ vectors.T
    return made
