"""What L-BFGS hands on to the next stage: pairs of a wave are those of the same wave at twice the size."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from helpers import minimize
from impasto.optimization.stages import carry_over
from impasto_plugins.optimizers.lbfgs import LBFGS


def smooth(height: int, width: int) -> Tensor:
    """A picture of a few long waves, (1, 3, H, W)."""
    down, right = (
        (torch.arange(one, dtype=torch.float64) + 0.5) * (2 * math.pi / one)
        for one in (height, width)
    )
    waves = [(down.sin()[:, None] * (right + k).cos()) for k in range(3)]
    return torch.stack(waves)[None]


def mean_square(size: tuple[int, int]) -> Callable[[Tensor], Tensor]:
    """An objective that is a mean over pixels, with one curvature for each channel."""
    target, weight = smooth(*size), torch.tensor([1.0, 4.0, 9.0]).view(3, 1, 1).double()
    return lambda image: ((image - target).square() * weight).mean()


def at(size: tuple[int, int], **given: object) -> tuple[Tensor, LBFGS]:
    point = torch.zeros(1, 3, *size, dtype=torch.float64).requires_grad_()
    return point, LBFGS([point], **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("precondition", [False, True])
def test_the_first_step_of_the_next_stage_is_as_good_as_the_last_of_the_one_before(
    precondition: bool,
) -> None:
    point, small = at((24, 32), precondition=precondition)
    minimize(small, point, mean_square((24, 32)), 12)
    losses = {}
    for carried in (False, True):
        larger, optimizer = at((48, 64), precondition=precondition)
        if carried:
            carry_over(small, optimizer)
        losses[carried] = minimize(optimizer, larger, mean_square((48, 64)), 3)
    assert losses[True][1] < 0.02 * losses[True][0]
    assert losses[True][1] < 0.1 * losses[False][1]


def test_pairs_are_resized_and_keep_their_curvature() -> None:
    point, small = at((8, 12))
    minimize(small, point, mean_square((8, 12)), 4)
    _, optimizer = at((16, 24))
    carry_over(small, optimizer)
    before, after = small._memory(), optimizer._memory()
    assert after["pairs"] == before["pairs"] == 3
    for pair in range(3):
        for name, factor in (("moves", 1), ("changes", 1 / 4)):
            expected = interpolate(
                before[name][pair].view(1, 3, 8, 12), (16, 24), mode="bilinear"
            ).flatten()
            torch.testing.assert_close(after[name][pair], expected * factor)
        assert float(after["curvatures"][pair]) == pytest.approx(
            float(after["moves"][pair] @ after["changes"][pair])
        )


def test_a_shorter_history_takes_the_newest_pairs() -> None:
    point, small = at((8, 12))
    minimize(small, point, mean_square((8, 12)), 6)
    _, whole = at((8, 12))
    _, short = at((8, 12), history_size=2)
    carry_over(small, whole)
    carry_over(small, short)
    newest = whole._memory()["newest"]
    assert short._pairs.number == 2
    kept = short._memory()
    for age in (0, 1):
        torch.testing.assert_close(
            kept["moves"][(kept["newest"] - age) % 2], whole._memory()["moves"][newest - age]
        )


def test_pairs_in_bfloat16_are_carried_over_in_bfloat16() -> None:
    point, small = at((8, 12), history_precision="bfloat16")
    minimize(small, point, mean_square((8, 12)), 6)
    _, optimizer = at((16, 24), history_precision="bfloat16")
    carry_over(small, optimizer)
    kept = optimizer._memory()
    moves, changes = kept["moves"], kept["changes"]
    assert moves.dtype == changes.dtype == torch.bfloat16
    curvatures = (moves.double() * changes.double()).sum(1)
    torch.testing.assert_close(kept["curvatures"], curvatures)
    assert kept["pairs"] == int((curvatures > 0).sum()) == 5


@pytest.mark.parametrize("shape", [(1, 1, 16, 24), (1, 3, 16, 13, 2), (12,)])
def test_a_canvas_of_another_kind_starts_afresh(shape: tuple[int, ...]) -> None:
    point, small = at((8, 12))
    minimize(small, point, mean_square((8, 12)), 4)
    optimizer = LBFGS([torch.zeros(shape, dtype=torch.float64).requires_grad_()])
    carry_over(small, optimizer)
    assert optimizer._pairs.number == 0


def test_a_stage_of_one_step_hands_on_nothing() -> None:
    point, small = at((8, 12))
    minimize(small, point, mean_square((8, 12)), 1)
    _, optimizer = at((16, 24))
    carry_over(small, optimizer)
    assert optimizer._pairs.number == 0
