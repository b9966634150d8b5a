"""The loss ``nearest`` against plain loops over all patches."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

import impasto
from helpers import Draw
from impasto_plugins.losses import points
from impasto_plugins.losses.nearest import NearestLoss
from impasto_plugins.losses.points import Distance


def compared(loss: NearestLoss, feature: Tensor, style: Tensor) -> float:
    return loss.compare_layer(loss.summarize_layer(feature), loss.summarize_layer(style)).item()


def patches(feature: Tensor, side: int) -> list[Tensor]:
    height, width = feature.shape[2:]
    return [
        feature[0, :, top : top + side, left : left + side].flatten()
        for top in range(height - side + 1)
        for left in range(width - side + 1)
    ]


def cosine(one: Tensor, other: Tensor) -> float:
    return 1 - float(cosine_similarity(one, other, dim=0))


def expected(feature: Tensor, style: Tensor, side: int, distance: Distance) -> float:
    own, others = patches(feature, side), patches(style, side)
    if distance == "contextual":
        mean = torch.stack(others).mean(0)
        own, others = [x - mean for x in own], [x - mean for x in others]
    if distance == "squared":
        below = sum(float(x.square().sum()) for x in others) / len(others)
        chosen = [min(others, key=lambda other: cosine(one, other)) for one in own]
        far = [float((a - b).square().sum()) / below for a, b in zip(own, chosen, strict=True)]
    else:
        far = [min(cosine(one, other) for other in others) for one in own]
    return sum(far) / len(far)


@pytest.mark.parametrize("side", [1, 2, 3])
@pytest.mark.parametrize("distance", ["cosine", "contextual", "squared"])
def test_value_by_plain_loops(side: int, distance: Distance, draw: Draw) -> None:
    feature, style = draw.uniform(1, 3, 5, 4), draw.uniform(1, 3, 4, 6)
    loss = NearestLoss(patch_size=side, distance=distance)
    assert compared(loss, feature, style) == pytest.approx(expected(feature, style, side, distance))


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch, draw: Draw) -> None:
    feature, style = draw.uniform(1, 3, 6, 6), draw.uniform(1, 3, 5, 6)
    whole = compared(NearestLoss(), feature, style)
    monkeypatch.setattr(points, "BLOCK", 7)
    assert compared(NearestLoss(), feature, style) == whole


def test_a_rearranged_style_has_no_distance(draw: Draw) -> None:
    style = draw.uniform(1, 4, 6, 6)
    assert compared(NearestLoss(patch_size=1), style.flip(2), style) == pytest.approx(0, abs=1e-12)
    assert compared(NearestLoss(patch_size=3), style.flip(2), style) > 1e-3


def test_a_sample_of_the_style_can_only_be_farther(draw: Draw) -> None:
    feature, style = draw.uniform(1, 3, 8, 8), draw.uniform(1, 3, 16, 16)
    few, many = (
        compared(NearestLoss(patch_size=1, distance="cosine", samples=n), feature, style)
        for n in (8, 4096)
    )
    assert many < few


def test_a_patch_larger_than_its_layer_is_refused(draw: Draw) -> None:
    with pytest.raises(impasto.SettingsError) as refused:
        NearestLoss(patch_size=5).summarize_layer(draw.uniform(1, 3, 4, 9))
    assert str(refused.value) == (
        "loss 'nearest': a patch of 5 does not fit a layer of 9 × 4 pixels"
    )
