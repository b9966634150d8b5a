"""The loss ``self_similarity`` against plain loops, and what it does not mind."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from helpers import Draw
from impasto_plugins.losses.self_similarity import SelfSimilarityLoss


def compared(loss: SelfSimilarityLoss, feature: Tensor, content: Tensor) -> float:
    return loss.compare_layer(loss.summarize_layer(feature), loss.summarize_layer(content)).item()


def columns(feature: Tensor) -> list[list[float]]:
    pixels = list(feature.flatten(2)[0].T)
    matrix = [[1 - float(cosine_similarity(a, b, dim=0)) for a in pixels] for b in pixels]
    return [[entry / sum(column) for entry in column] for column in matrix]


def test_value_by_plain_loops(draw: Draw) -> None:
    feature, content = draw.uniform(1, 4, 3, 4), draw.uniform(1, 4, 3, 4)
    own, wanted = columns(feature), columns(content)
    far = sum(
        abs(a - b)
        for one, other in zip(own, wanted, strict=True)
        for a, b in zip(one, other, strict=True)
    )
    assert compared(SelfSimilarityLoss(), feature, content) == pytest.approx(far / 12)


def test_turning_all_features_alike_costs_nothing(draw: Draw) -> None:
    content = draw.uniform(1, 4, 4, 4)
    rotation = torch.linalg.qr(draw.uniform(4, 4)).Q
    turned = torch.einsum("dc,ncij->ndij", 3 * rotation, content)
    assert compared(SelfSimilarityLoss(), turned, content) == pytest.approx(0, abs=1e-12)


def test_three_pixels_by_hand() -> None:
    """Distances 1, 1, 1 (a triangle) against 0, 1, 1 (two alike): columns (0, ½, ½), (½, 0, ½), (½, ½, 0)
    against (0, 0, 1), (0, 0, 1), (½, ½, 0) differ by 1, 1 and 0: the mean is 2/3."""
    triangle = torch.eye(3).view(1, 3, 1, 3)
    pair = torch.eye(3)[:, [0, 0, 1]].view(1, 3, 1, 3)
    assert compared(SelfSimilarityLoss(), triangle, pair) == pytest.approx(2 / 3)


def test_flat_pictures_are_finite() -> None:
    loss = SelfSimilarityLoss()
    flat = torch.full((1, 3, 4, 4), 0.5, requires_grad=True)
    value = loss.compare_layer(loss.summarize_layer(flat), loss.summarize_layer(flat.detach()))
    torch.autograd.backward(value)
    assert value.isfinite()
    assert flat.grad is not None
    assert flat.grad.isfinite().all()


def test_no_more_pixels_than_samples_are_kept(draw: Draw) -> None:
    summary = SelfSimilarityLoss(samples=10).summarize_layer(draw.uniform(1, 3, 20, 20))
    assert summary["distances"].shape == (10, 10)
