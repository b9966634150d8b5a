"""The loss ``histogram`` against cases by hand and a matching of its own."""

from __future__ import annotations

import numpy
import pytest
import torch
from torch import Tensor

from helpers import Draw
from impasto_plugins.losses.histogram import HistogramLoss


def compared(feature: Tensor, style: Tensor) -> Tensor:
    loss = HistogramLoss()
    return loss.compare_layer(loss.summarize_layer(feature), loss.summarize_layer(style))


def test_value_by_matching_each_pixel(draw: Draw) -> None:
    """R(O): each value is replaced by the style's value of equal rank."""
    feature = draw.uniform(1, 3, 4, 5)
    style = draw.uniform(1, 3, 5, 4)
    above = below = 0.0
    for own, wanted in zip(feature[0].numpy(), style[0].numpy(), strict=True):
        ranks = numpy.argsort(numpy.argsort(own.ravel()))
        remapped = numpy.sort(wanted.ravel())[ranks]
        above += ((own.ravel() - remapped) ** 2).sum()
        below += (wanted**2).sum()
    assert compared(feature, style).item() == pytest.approx(above / below)


def test_two_values_by_hand() -> None:
    """Values 0 and 1 against 2 and 4, in any order: ((0 - 2)² + (1 - 4)²) / (2² + 4²) = 13/20."""
    feature = torch.tensor([1.0, 0.0]).view(1, 1, 1, 2)
    style = torch.tensor([2.0, 4.0]).view(1, 1, 1, 2)
    assert compared(feature, style).item() == pytest.approx(13 / 20)


def test_gradient_pulls_each_pixel_to_its_match() -> None:
    feature = torch.tensor([1.0, 0.0]).view(1, 1, 1, 2).requires_grad_()
    torch.autograd.backward(compared(feature, torch.tensor([2.0, 4.0]).view(1, 1, 1, 2)))
    assert feature.grad is not None
    assert feature.grad.flatten().tolist() == pytest.approx([-2 * 3 / 20, -2 * 2 / 20])
