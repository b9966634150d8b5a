"""The loss ``range`` by hand, and that it keeps a run in [0, 1]."""

from __future__ import annotations

import pytest
import torch

import impasto
from helpers import Pair
from impasto_plugins.losses.range import RangeLoss


def test_value_by_hand() -> None:
    """Outside by 0.5, 0 and 2 in one pixel of two: (0.25 + 0 + 4) / 6."""
    picture = torch.tensor([[-0.5, 0.5], [1.0, 0.0], [3.0, 1.0]]).view(1, 3, 1, 2)
    loss = RangeLoss()
    value = loss.compare_layer(loss.summarize_layer(picture), {})
    assert value.item() == pytest.approx(4.25 / 6)


def test_a_run_with_it_stays_nearer_to_what_can_be_shown(pair: Pair) -> None:
    outside = {}
    for weight in (1e-3, 1e3):
        result = impasto.run(
            pair.content, pair.style, size=48, steps=15, init="noise", optimizer="adam:lr=0.1",
            loss=["gram:layers=conv1_1,conv2_1", {"name": "range", "weight": weight}],
        )  # fmt: skip
        outside[weight] = result.terms["range"] / weight
    assert outside[1e3] < outside[1e-3] / 3
