"""The loss ``sliced`` against cases by hand and a plain loop."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from helpers import Draw
from impasto_plugins.losses.sliced import SlicedLoss


def compared(loss: SlicedLoss, feature: Tensor, style: Tensor) -> float:
    return loss.compare_layer(loss.summarize_layer(feature), loss.summarize_layer(style)).item()


def test_shift_by_hand(draw: Draw) -> None:
    """Along orthogonal directions the squares of a shift add up to its squared length, here 3² + 4²."""
    feature = draw.normal(1, 2, 6, 5)
    moved = feature + torch.tensor([3.0, -4.0]).view(1, 2, 1, 1)
    wanted = 25 / moved.square().sum(1).mean()
    assert compared(SlicedLoss(), feature, moved) == pytest.approx(float(wanted))


def test_where_features_lie_does_not_matter(draw: Draw) -> None:
    feature = draw.normal(1, 3, 4, 4)
    shuffled = feature.flatten(2)[..., torch.randperm(16, generator=draw.generator)].view(
        1, 3, 4, 4
    )
    assert compared(SlicedLoss(), feature, shuffled) == pytest.approx(0, abs=1e-12)


def test_correlation_counts_which_histograms_of_channels_do_not_show(draw: Draw) -> None:
    line = draw.normal(1, 1, 8, 8)
    same, opposite = torch.cat([line, line], 1), torch.cat([line, line.flip(3)], 1)
    assert compared(SlicedLoss(projections=32), same, opposite) > 0.05


def test_value_by_a_plain_loop(draw: Draw) -> None:
    loss = SlicedLoss(projections=7)
    feature, style = draw.normal(1, 3, 4, 4), draw.normal(1, 3, 4, 4)
    above = below = 0.0
    for direction in loss.directions(feature):
        projected, wanted = (
            sorted(sum(d * c for d, c in zip(direction.tolist(), pixel, strict=True))
                   for pixel in x.flatten(2)[0].T.tolist())
            for x in (feature, style)
        )  # fmt: skip
        above += sum((a - b) ** 2 for a, b in zip(projected, wanted, strict=True))
        below += sum(b**2 for b in wanted)
    assert compared(loss, feature, style) == pytest.approx(above / below)


def test_style_of_another_size_is_taken_at_even_ranks(draw: Draw) -> None:
    """A style picture that has each pixel twice, or three times, is the same distribution."""
    feature = draw.normal(1, 3, 4, 6)
    for times in (2, 3):
        larger = feature.repeat_interleave(times, 3)
        assert compared(SlicedLoss(), feature, larger) == pytest.approx(0, abs=1e-12)
        assert compared(SlicedLoss(), larger, feature) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("number", [0, 3, 5, 12])
def test_directions_have_length_one(number: int, draw: Draw) -> None:
    directions = SlicedLoss(projections=number).directions(draw.normal(1, 5, 2, 2))
    assert directions.shape == (number or 5, 5)
    torch.testing.assert_close(directions.norm(dim=1), torch.ones(number or 5).double())


def test_directions_follow_the_seed(draw: Draw) -> None:
    made = []
    for seed in (3, 3, 4):
        loss = SlicedLoss(generator=torch.Generator().manual_seed(seed))
        made.append(loss.directions(draw.normal(1, 5, 2, 2)))
    assert made[0].equal(made[1])
    assert not made[0].equal(made[2])
