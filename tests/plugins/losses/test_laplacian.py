"""The loss ``laplacian`` against plain loops and cases by hand."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

import impasto
from helpers import Draw
from impasto_plugins.losses.laplacian import LaplacianLoss


def compared(feature: Tensor, content: Tensor, pools: Sequence[int]) -> float:
    loss = LaplacianLoss(pool_sizes=tuple(pools))
    return loss.compare_layer(loss.summarize_layer(feature), loss.summarize_layer(content)).item()


def laplacians(picture: Tensor, pool: int) -> list[float]:
    """By loops: averages over squares of pixels, then four times one less its neighbors."""
    rows = [[float(picture[0, :, top : top + pool, left : left + pool].sum() / pool**2)
             for left in range(0, picture.shape[3] - pool + 1, pool)]
            for top in range(0, picture.shape[2] - pool + 1, pool)]  # fmt: skip
    return [
        4 * rows[y][x] - rows[y - 1][x] - rows[y + 1][x] - rows[y][x - 1] - rows[y][x + 1]
        for y in range(1, len(rows) - 1)
        for x in range(1, len(rows[0]) - 1)
    ]


@pytest.mark.parametrize("pools", [(1,), (2,), (3, 1)])
def test_value_by_plain_loops(pools: tuple[int, ...], draw: Draw) -> None:
    feature, content = (draw.uniform(1, 3, 11, 9) for _ in range(2))
    parts = []
    for pool in pools:
        own, wanted = laplacians(feature, pool), laplacians(content, pool)
        above = sum((a - b) ** 2 for a, b in zip(own, wanted, strict=True))
        parts.append(above / sum(b**2 for b in wanted))
    assert compared(feature, content, pools) == pytest.approx(sum(parts) / len(parts))


def test_colors_and_slopes_cost_nothing(draw: Draw) -> None:
    content = draw.uniform(1, 3, 12, 12)
    slope = torch.arange(12.0, dtype=torch.float64) / 10
    assert compared(content + 0.3 + slope, content, (2,)) == pytest.approx(0, abs=1e-12)


def test_twice_the_contrast_counts_one(draw: Draw) -> None:
    content = draw.uniform(1, 3, 12, 12)
    assert compared(2 * content, content, (1, 2)) == pytest.approx(1)


def test_a_picture_too_small_for_its_pools_is_refused(draw: Draw) -> None:
    with pytest.raises(impasto.SettingsError) as refused:
        LaplacianLoss(pool_sizes=(4, 16)).summarize_layer(draw.uniform(1, 3, 40, 90))
    assert str(refused.value) == (
        "loss 'laplacian': pool_sizes=16 needs a picture of at least 48 pixels each way"
    )
