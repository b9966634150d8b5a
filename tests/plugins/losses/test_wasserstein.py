"""The loss ``wasserstein``: formula by eigenvalues, cases by hand, and a gradient that stays finite."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from helpers import Draw
from impasto_plugins.losses import wasserstein
from impasto_plugins.losses.wasserstein import (
    BLUR,
    SMALLEST,
    WassersteinLoss,
    newton_schulz,
    trace_of_root,
)


def compared(feature: Tensor, style: Tensor) -> Tensor:
    loss = WassersteinLoss(layers=("image",))
    return loss.compare_layer(loss.summarize_layer(feature), loss.summarize_layer(style))


def root(matrix: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    found: Tensor = vectors * values.clamp_min(0).sqrt() @ vectors.T
    return found


def by_eigenvalues(feature: Tensor, style: Tensor, blur: float) -> float:
    points, others = (x.flatten(2)[0] for x in (feature, style))
    covariance, wanted = (torch.cov(x, correction=0) for x in (points, others))
    below = others.square().sum(0).mean()
    added = blur * wanted.norm() * torch.eye(len(wanted), dtype=wanted.dtype)
    covariance, wanted = covariance + added, wanted + added
    overlap = root(root(wanted) @ covariance @ root(wanted)).trace()
    shift = (points.mean(1) - others.mean(1)).square().sum()
    return float((shift + covariance.trace() + wanted.trace() - 2 * overlap) / below)


def test_value_by_eigenvalues(draw: Draw) -> None:
    feature, style = draw.normal(1, 6, 9, 8), 1 + 2 * draw.normal(1, 6, 7, 7)
    assert compared(feature, style).item() == pytest.approx(by_eigenvalues(feature, style, BLUR))
    assert compared(feature, style).item() == pytest.approx(
        by_eigenvalues(feature, style, 0), rel=0.01
    )


def test_one_channel_by_hand() -> None:
    """For numbers it is (μ - μ')² + (σ - σ')²: here (3² + (1 - 2)²) / (3² + 2²) = 10/13, no blur."""
    one = torch.tensor([-1.0, 1.0], dtype=torch.float64).view(1, 1, 1, 2)
    assert compared(one, 3 + 2 * one).item() == pytest.approx(10 / 13, rel=2e-3)


def test_shift_costs_its_square(draw: Draw) -> None:
    feature = draw.normal(1, 5, 8, 8)
    shift = torch.tensor([1.0, -2, 0, 3, 0]).view(1, 5, 1, 1).double()
    moved = feature + shift
    below = moved.square().sum(1).mean()
    assert compared(feature, moved).item() == pytest.approx(float(14 / below))


def test_roots_against_eigenvalues_in_float32(draw: Draw) -> None:
    factor = draw.normal(64, 80)
    matrix = factor @ factor.T
    found, inverse = newton_schulz(matrix.float())
    wanted = root(matrix)
    torch.testing.assert_close(found.double(), wanted, rtol=0, atol=1e-4 * float(wanted.norm()))
    torch.testing.assert_close(inverse.double() @ wanted, torch.eye(64).double(), rtol=0, atol=5e-3)


def test_gradient_of_the_trace(draw: Draw) -> None:
    factor = draw.normal(5, 9)
    assert torch.autograd.gradcheck(
        lambda x: trace_of_root(x @ x.T), factor.requires_grad_(), check_undefined_grad=False
    )


FLAT: dict[str, Callable[[Draw], Tensor]] = {
    "one color": lambda _: torch.full((1, 48, 8, 8), 0.3),
    "black": lambda _: torch.zeros(1, 48, 8, 8),
    "fewer pixels than channels": lambda draw: draw.uniform(1, 48, 3, 3).float(),
    "channels all alike": lambda draw: draw.uniform(1, 1, 8, 8).float().expand(1, 48, 8, 8),
    "dead channels": lambda draw: (
        draw.uniform(1, 48, 8, 8).float() * (torch.arange(48) % 2)[None, :, None, None]
    ),
    "one bright pixel": lambda _: torch.eye(64)[0].view(1, 1, 8, 8).expand(1, 48, 8, 8) * 100,
}


@pytest.mark.parametrize("feature", FLAT)
@pytest.mark.parametrize("style", ["drawn", *FLAT])
def test_gradient_is_finite_where_covariances_lack_rank(
    feature: str, style: str, draw: Draw
) -> None:
    picture = FLAT[feature](draw).clone().requires_grad_()
    target = FLAT[style](draw) if style in FLAT else draw.uniform(1, 48, 9, 9).float()
    value = compared(picture, target)
    torch.autograd.backward(value)
    assert value.isfinite()
    assert picture.grad is not None
    assert picture.grad.isfinite().all()
    if style == "drawn":
        assert picture.grad.norm() < 10


def test_gradient_vanishes_at_its_own_target_in_float32(draw: Draw) -> None:
    """Also where most directions have no variance: rounding must not push them."""
    own = draw.uniform(1, 96, 6, 6).float()
    here, elsewhere = own.clone().requires_grad_(), (own * 0.5).requires_grad_()
    torch.autograd.backward(compared(here, own))
    torch.autograd.backward(compared(elsewhere, own))
    assert here.grad is not None
    assert elsewhere.grad is not None
    assert here.grad.norm() < 0.01 * elsewhere.grad.norm()


def sparse(draw: Draw, channels: int) -> Tensor:
    """Features after ReLU that are mostly zero."""
    return (draw.normal(1, channels, 12, 12).float() - 2).relu()


def uniform(draw: Draw, channels: int, side: int = 12) -> Tensor:
    return draw.uniform(1, channels, side, side).float()


HARD: dict[str, tuple[Callable[[Draw], tuple[Tensor, Tensor]], float]] = {
    "far too large": (lambda draw: (100 * uniform(draw, 256), uniform(draw, 256)), 1e-3),
    "far too small": (lambda draw: (uniform(draw, 256) / 100, uniform(draw, 256)), 1e-3),
    "few pixels": (lambda draw: (uniform(draw, 256, 2), uniform(draw, 256, 3)), 5e-3),
    "fewer pixels than channels": (lambda draw: (uniform(draw, 256), uniform(draw, 256)), 5e-3),
    "mostly zero": (lambda draw: (sparse(draw, 256), sparse(draw, 256)), 5e-3),
    "channels all alike": (
        lambda draw: (
            uniform(draw, 1).expand(1, 256, 12, 12),
            uniform(draw, 1).expand(1, 256, 12, 12) ** 2,
        ),
        5e-3,
    ),
    "one bright pixel": (
        lambda draw: (
            1000 * torch.eye(144)[0].view(1, 1, 12, 12).expand(1, 256, 12, 12),
            uniform(draw, 256),
        ),
        1e-3,
    ),
    "a bright color": (
        lambda draw: (1000 * uniform(draw, 256, 1).expand(1, 256, 12, 12), uniform(draw, 256)),
        1e-3,
    ),
    "to a bright color": (
        lambda draw: (uniform(draw, 256), 1000 * uniform(draw, 256, 1).expand(1, 256, 12, 12)),
        1e-3,
    ),
    "to one color": (lambda draw: (uniform(draw, 256), torch.full((1, 256, 12, 12), 0.3)), 2e-2),
}
"""Features and style in float32, and how near the value comes to that by eigenvalues in float64."""


@pytest.mark.parametrize("case", HARD)
@pytest.mark.parametrize("iterations", [12, 20])
def test_value_in_float32_where_covariances_lack_rank(
    case: str, iterations: int, draw: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With many more iterations than needed too: what rounding leaves below zero would grow without end."""
    monkeypatch.setattr(wasserstein, "SCALES", wasserstein._scales(SMALLEST, iterations))
    make, near = HARD[case]
    feature, style = make(draw)
    feature = feature.clone().requires_grad_()
    found = compared(feature, style)
    torch.autograd.backward(found)
    wanted = by_eigenvalues(feature.detach().double(), style.double(), BLUR)
    assert found.item() == pytest.approx(wanted, rel=near)
    assert feature.grad is not None
    assert feature.grad.isfinite().all()


def test_gradient_in_float32_is_that_by_eigenvalues(draw: Draw) -> None:
    """256 channels of 36 pixels: seven directions of eight have no variance."""
    feature, style = uniform(draw, 256, 6), uniform(draw, 256, 6)
    gradients = []
    for dtype in (torch.float32, torch.float64):
        points = feature.to(dtype).requires_grad_()
        (gradient,) = torch.autograd.grad(compared(points, style.to(dtype)), points)
        gradients.append(gradient.double())
    assert (gradients[0] - gradients[1]).norm() < 0.01 * gradients[1].norm()


def test_a_soft_mask_in_half_precision(draw: Draw) -> None:
    """Of features far from zero, whose covariance is a small difference; they themselves are not rounded."""
    feature = (draw.normal(1, 16, 24, 32) * 0.05 + 1).bfloat16()
    other = (draw.normal(1, 16, 24, 32) * 0.05 + 1.1).bfloat16()
    mask = draw.normal(1, 1, 24, 32).sigmoid().float()
    loss, wide = WassersteinLoss(), WassersteinLoss()
    value, expected = (
        one.compare_layer(
            one.summarize_region(precise(feature), mask), one.summarize_layer(precise(other))
        )
        for one, precise in ((loss, lambda x: x), (wide, Tensor.float))
    )
    assert float(value) == pytest.approx(float(expected), rel=0.02)
