"""The loss ``moments`` against a formula of its own and a case by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from helpers import Draw
from impasto_plugins.losses.moments import MomentsLoss


def compared(feature: Tensor, style: Tensor) -> float:
    loss = MomentsLoss(layers=("image",))
    return loss.compare_layer(loss.summarize_layer(feature), loss.summarize_layer(style)).item()


def test_value_by_torch_mean_and_std(draw: Draw) -> None:
    feature = draw.uniform(1, 4, 5, 6)
    style = draw.uniform(1, 4, 7, 3) * 2
    means = [x.mean((0, 2, 3)) for x in (feature, style)]
    deviations = [x.std((0, 2, 3), correction=0) for x in (feature, style)]
    above = sum((a - b).square().sum() for a, b in (means, deviations))
    below = means[1].square().sum() + deviations[1].square().sum()
    assert compared(feature, style) == pytest.approx(float(above / below), rel=1e-4)


def test_channels_that_are_flat_by_hand() -> None:
    """Means 1 and 3, no deviation: ((1 - 3)² + (0 - 0)²) / (3² + 0²) = 4/9."""
    assert compared(torch.ones(1, 2, 4, 4), 3 * torch.ones(1, 2, 4, 4)) == pytest.approx(4 / 9)


def test_gradient_of_a_flat_picture_is_finite(draw: Draw) -> None:
    loss = MomentsLoss(layers=("image",))
    flat = torch.full((1, 3, 8, 8), 0.5, requires_grad=True)
    style = loss.summarize_layer(draw.uniform(1, 3, 8, 8).float())
    loss.compare_layer(loss.summarize_layer(flat), style).backward()  # type: ignore[no-untyped-call]
    assert flat.grad is not None
    assert flat.grad.isfinite().all()
    assert flat.grad.abs().max() < 1
