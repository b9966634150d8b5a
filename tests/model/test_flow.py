"""Warping and agreement of flows, against plain loops and a scene whose motion is known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from impasto.model.flow import agreement, disoccluded, motion_boundary, warped


def test_warping_by_plain_loops() -> None:
    height, width = 5, 7
    image = torch.rand(1, 2, height, width, dtype=torch.float64)
    flow = torch.rand(1, 2, height, width, dtype=torch.float64) * 6 - 3
    found = warped(image, flow)
    for y in range(height):
        for x in range(width):
            right = min(max(x + float(flow[0, 0, y, x]), 0), width - 1)
            down = min(max(y + float(flow[0, 1, y, x]), 0), height - 1)
            left, top = min(math.floor(right), width - 2), min(math.floor(down), height - 2)
            a, b = right - left, down - top
            corners = image[0, :, top : top + 2, left : left + 2]
            rows = (1 - b) * corners[:, 0] + b * corners[:, 1]
            wanted = (1 - a) * rows[:, 0] + a * rows[:, 1]
            assert torch.allclose(found[0, :, y, x], wanted)


def moving_square(side: int = 6, step: int = 4) -> tuple[Tensor, Tensor]:
    """Forward and backward flow of a square that goes to the right over a background that rests."""
    forward, backward = torch.zeros(1, 2, 24, 40), torch.zeros(1, 2, 24, 40)
    forward[0, 0, 8 : 8 + side, 10 : 10 + side] = step
    backward[0, 0, 8 : 8 + side, 10 + step : 10 + step + side] = -step
    return forward, backward


def test_what_comes_into_view_is_disoccluded() -> None:
    found = disoccluded(*moving_square())[0, 0]
    wanted = torch.zeros(24, 40, dtype=torch.bool)
    wanted[8:14, 10:14] = True
    assert torch.equal(found, wanted)


def test_boundaries_of_what_moves() -> None:
    found = motion_boundary(moving_square()[1])[0, 0]
    assert found[10, [13, 14, 19, 20]].all(), "beside the edge"
    assert not found[10, [11, 16, 17, 22]].any(), "inside and outside"


def test_formulas_by_their_numbers() -> None:
    """Both sides of each limit: forth 1.73 and back 1 may differ by √0.540 = 0.7348, 1.74 by 0.7350."""
    for forth, beyond in ((1.73, False), (1.74, True)):
        forward, backward = torch.zeros(1, 2, 8, 8), torch.zeros(1, 2, 8, 8)
        forward[:, 0], backward[:, 0] = forth, -1
        assert bool(disoccluded(forward, backward).any()) is beyond
    slope = torch.linspace(0, 1, 30)
    for slant, beyond in ((0.04, False), (0.05, True)):
        backward = torch.zeros(1, 2, 30, 30)
        backward[0, 1] = slope * 29 * slant
        # At the upper border the flow is next to 0: slant² against 0.002 = 0.0447².
        assert bool(motion_boundary(backward)[0, 0, :, 0].any()) is beyond


def test_a_panning_camera_agrees_but_where_the_picture_is_new() -> None:
    forward, backward = torch.zeros(1, 2, 10, 20), torch.zeros(1, 2, 10, 20)
    forward[:, 0], backward[:, 0] = -3, 3
    found = agreement(forward, backward)[0, 0]
    assert found.sum(1).tolist() == [17.0] * 10
    assert not found[:, 17:].any()


@pytest.mark.parametrize("size", [(1, 1, 2, 2), (1, 3, 9, 4)])
def test_no_motion_changes_nothing(size: tuple[int, ...]) -> None:
    image, still = torch.rand(size), torch.zeros(1, 2, *size[2:])
    assert torch.allclose(warped(image, still), image, atol=1e-6)
    assert agreement(still, still).all()
