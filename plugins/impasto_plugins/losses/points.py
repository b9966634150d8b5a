"""Pixels as points in feature space: all of them or a sample, in order of rank, and which is nearest.

Not a plugin: the losses that need the whole picture use it.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize
from torch.quasirandom import SobolEngine

import impasto

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


def counted(summary: impasto.Summary, places: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
    """The points of a summary, (n, C), and how much each counts, (n,), or None.

    Args:
        summary: ``feature``, (1, C, h, w), and perhaps ``counts``, (1, 1, h, w).
        places: (n, 2) in [0, 1), those of a sample; None takes all.
    """
    found = [
        rows(summary[name]) if places is None else sampled(summary[name], places)
        for name in ("feature", "counts")
        if name in summary
    ]
    return found[0], found[1][:, 0] if len(found) > 1 else None


@torch.no_grad()
def closest(points: Tensor, others: Tensor, counts: Tensor | None = None) -> Tensor:
    """For each of ``points``, (n, C), the index of the nearest of ``others``, (m, C): (n,).

    Nearest by Euclidean distance; for points of length one that is nearest by cosine too.

    Args:
        points: (n, C).
        others: (m, C).
        counts: of the others, (m,), how much each is in a mask; those with less than half of the most are
            nobody's nearest. None is all.
    """
    lengths = _lengths(others, counts)
    count = max(1, BLOCK // len(others))
    # A point's own length changes nothing about which is nearest.
    return torch.cat(
        [(lengths - 2 * part @ others.T).argmin(1) for part in torch.split(points, count)]
    )


@torch.no_grad()
def closest_both_ways(
    points: Tensor, others: Tensor, counts: Tensor | None = None, other_counts: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """:func:`closest` from each set to the other, (n,) and (m,), at the price of one."""
    own, lengths = _lengths(points, counts), _lengths(others, other_counts)
    count = max(1, BLOCK // len(others))
    there, least, back = [], None, torch.zeros(0)
    for number, part in enumerate(torch.split(points, count)):
        products = -2 * part @ others.T
        there.append((products + lengths).argmin(1))
        start = number * count
        found = (products + own[start : start + len(part), None]).min(0)
        if least is None:
            least, back = found
        else:
            back = torch.where(found.values < least, found.indices + start, back)
            least = torch.minimum(found.values, least)
    return torch.cat(there), back


def _lengths(points: Tensor, counts: Tensor | None) -> Tensor:
    """Squared lengths, (n,); infinite for those that are nobody's nearest."""
    lengths = points.square().sum(1)
    return lengths if counts is None else torch.where(2 * counts < counts.max(), torch.inf, lengths)


def weighted_mean(values: Tensor, counts: Tensor | None) -> Tensor:
    """The mean of values, (n,), each as often as it counts, (n,); None is all alike."""
    if counts is None:
        return values.mean()
    return (values * counts).sum() / counts.sum().clamp_min(1e-12)


def relaxed_distance(
    points: Tensor,
    others: Tensor,
    counts: Tensor | None = None,
    other_counts: Tensor | None = None,
    squared: bool = True,
) -> Tensor:
    """Relaxed earth mover's distance: the larger of the mean distances to the nearest, there and back.

    It is a lower bound of the earth mover's distance, each side of which drops one of the constraints
    (Kusner, Sun, Kolkin and Weinberger, "From Word Embeddings to Document Distances", 2015).

    Args:
        points: (n, C).
        others: (m, C).
        counts: (n,), how much each point counts; None is all alike.
        other_counts: (m,), the same.
        squared: whether distances are squared Euclidean ones, or Euclidean.
    """

    def mean(moved: Tensor, counts: Tensor | None) -> Tensor:
        cost = moved.square().sum(1)
        # The root has no slope at zero.
        return weighted_mean(cost if squared else (cost + 1e-12).sqrt(), counts)

    there, back = closest_both_ways(points, others, counts, other_counts)
    ahead = mean(points - others[there], counts)
    return torch.maximum(ahead, mean(points[back] - others, other_counts))


def as_measured(
    points: Tensor, others: Tensor, distance: Distance, counts: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Both sets of points, moved so that |x - y|² is the distance between them.

    Args:
        points: (n, C).
        others: of the style, (m, C).
        distance: which.
        counts: (m,), how much each of the style's counts; None is all alike.
    """
    share = None if counts is None else counts[:, None] / counts.sum().clamp_min(1e-12)
    if distance == "squared":
        squares = others.square().sum(1, keepdim=True)
        square = squares.mean() if share is None else (squares * share).sum()
        scale = square.clamp_min(1e-12).sqrt()
        return points / scale, others / scale
    if distance == "contextual":
        mean = others.mean(0) if share is None else (others * share).sum(0)
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
