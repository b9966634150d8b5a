"""The three forms of the loss ``tv`` against plain loops and slopes by hand."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch import Tensor

from impasto_plugins.losses.tv import TotalVariation

Form = Literal["squared", "absolute", "nine_point"]


def value(picture: Tensor, form: Form) -> float:
    loss = TotalVariation(form=form)
    return loss.compare_layer(loss.summarize_layer(picture), {}).item()


COSTS: dict[Form, tuple[tuple[int, int, int, float], ...]] = {
    "squared": ((1, 0, 2, 1), (0, 1, 2, 1)),
    "absolute": ((1, 0, 1, 1), (0, 1, 1, 1)),
    "nine_point": ((1, 0, 2, 0.5), (0, 1, 2, 0.5), (1, 1, 2, 0.25), (1, -1, 2, 0.25)),
}
"""By form: neighbors as (down, across, power, factor)."""


@pytest.mark.parametrize("form", ["squared", "absolute", "nine_point"])
def test_value_by_plain_loops(form: Form) -> None:
    picture = torch.rand(1, 3, 6, 5, dtype=torch.float64)
    total = 0.0
    for down, across, power, factor in COSTS[form]:
        for color in picture[0]:
            for y in range(6 - down):
                for x in range(max(0, -across), 5 - max(0, across)):
                    step = float(color[y + down, x + across] - color[y, x])
                    total += factor * abs(step) ** power
    assert value(picture, form) == pytest.approx(total / 30)


def test_the_nine_point_form_treats_directions_alike() -> None:
    """A stripe costs the most along rows by ``squared``; along a diagonal the forms meet halfway."""
    level = torch.zeros(1, 1, 64, 64)
    level[..., 32:, :] = 1
    slanted = torch.ones(64, 64).triu()[None, None]
    ratios = {form: value(slanted, form) / value(level, form) for form in COSTS}
    assert ratios["squared"] == pytest.approx(2, rel=0.05)
    assert ratios["nine_point"] == pytest.approx(2**0.5, rel=0.1)


def test_on_a_slope_nine_points_equal_squares() -> None:
    """Slopes 0.1 down and 0.2 across, far from the borders: 0.1² + 0.2² a pixel."""
    down, across = torch.meshgrid(torch.arange(200.0), torch.arange(200.0), indexing="ij")
    slope = (0.1 * down + 0.2 * across)[None, None]
    assert value(slope, "squared") == pytest.approx(0.05, rel=0.02)
    assert value(slope, "nine_point") == pytest.approx(0.05, rel=0.02)
    assert value(slope, "absolute") == pytest.approx(0.3, rel=0.02)
