"""Pixels as points in feature space: all of them or a sample, in order of rank, and which is nearest.

Not a plugin: the losses that need the whole picture use it.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize
from torch.quasirandom import SobolEngine

BLOCK = 2**24
"""Distances that are in memory at a time (64 MB in float32)."""

Distance = Literal["cosine", "contextual", "squared"]
"""``cosine``: 1 - cos of the angle between features. ``contextual``: the same after the style's mean
feature is subtracted from both (Mechrez, Talmi and Zelnik-Manor, "The Contextual Loss", 2018).
``squared``: squared Euclidean distance, relative to the mean square of the style's features."""


def spread(number: int, generator: torch.Generator | None) -> Tensor:
    """Places spread evenly and at random over the unit square, (number, 2): scrambled Sobol points.

    They follow from the seed of the run's generator (0 without one), and stay the same during the
    run: L-BFGS needs a function that does not change from step to step.
    """
    # Torch's seeds have 64 bits, numpy's and Sobol's generators take 63.
    seed = generator.initial_seed() % 2**63 if generator is not None else 0
    engine = SobolEngine(2, scramble=True, seed=seed)  # type: ignore[no-untyped-call]
    return engine.draw(number)


def rows(feature: Tensor) -> Tensor:
    """(1, C, h, w) → (h·w, C): a point for each pixel."""
    return feature.flatten(2)[0].T


def sampled(feature: Tensor, places: Tensor) -> Tensor:
    """(1, C, h, w) → (n, C): the pixels at these places, or all where there are no more of them.

    Args:
        feature: a feature map.
        places: (n, 2) in [0, 1), down and across.
    """
    height, width = feature.shape[2:]
    if height * width <= len(places):
        return rows(feature)
    down, across = (places[:, 0] * height).long(), (places[:, 1] * width).long()
    return rows(feature)[down * width + across]


@torch.no_grad()
def closest(points: Tensor, others: Tensor) -> Tensor:
    """For each of ``points``, (n, C), the index of the nearest of ``others``, (m, C): (n,).

    Nearest by Euclidean distance; for points of length one that is nearest by cosine too.
    """
    lengths = others.square().sum(1)
    count = max(1, BLOCK // len(others))
    # A point's own length changes nothing about which is nearest.
    return torch.cat(
        [(lengths - 2 * part @ others.T).argmin(1) for part in torch.split(points, count)]
    )


def as_measured(points: Tensor, others: Tensor, distance: Distance) -> tuple[Tensor, Tensor]:
    """Both sets of points, (n, C) and (m, C), moved so that |x - y|² is the distance between them.

    ``others`` are those of the style.
    """
    if distance == "squared":
        scale = others.square().sum(1).mean().clamp_min(1e-12).sqrt()
        return points / scale, others / scale
    if distance == "contextual":
        mean = others.mean(0)
        points, others = points - mean, others - mean
    # 1 - cos = |x - y|² / 2 for x and y of length one.
    return normalize(points) / 2**0.5, normalize(others) / 2**0.5


def relative_rank_difference(ranked: Tensor, wanted: Tensor) -> Tensor:
    """Mean squared difference of values of equal rank, relative to the mean square of those wanted.

    Summed over rows this is the squared Wasserstein distance between the values in each row.

    Args:
        ranked: (k, n), each row ascending.
        wanted: (k, m), each row ascending; taken at n evenly spaced ranks.
    """
    count, wanted_count = ranked.shape[1], wanted.shape[1]
    place = torch.arange(count, device=wanted.device)
    matched = wanted[:, (2 * place + 1) * wanted_count // (2 * count)]
    scale = wanted.square().mean().clamp_min(1e-12)
    return (ranked - matched).square().mean() / scale
