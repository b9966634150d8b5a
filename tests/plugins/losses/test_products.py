"""Sums over pixels of x xᵀ, which Gram matrices and covariances are made of."""

from __future__ import annotations

import pytest
import torch

from impasto_plugins.losses.products import _compiled, sum_of_products


def test_value_written_out() -> None:
    feature = torch.tensor([[[[1.0, 2.0, 0.0]], [[3.0, -1.0, 2.0]]]])
    assert sum_of_products(feature).tolist() == [[5.0, 1.0], [1.0, 14.0]]


def test_with_a_mask_written_out() -> None:
    feature = torch.tensor([[[[1.0, 2.0, 0.0]], [[3.0, -1.0, 2.0]]]])
    mask = torch.tensor([[[[1.0, 0.5, 0.0]]]])
    assert sum_of_products(feature, mask).tolist() == [[3.0, 2.0], [2.0, 9.5]]


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_gradient_by_finite_differences(layout: torch.memory_format, masked: bool) -> None:
    torch.manual_seed(0)
    drawn = torch.randn(1, 3, 4, 5, dtype=torch.float64).contiguous(memory_format=layout)
    weights = torch.randn(3, 3, dtype=torch.float64)
    mask = torch.rand(1, 1, 4, 5, dtype=torch.float64) if masked else None
    assert torch.autograd.gradcheck(
        lambda feature: (sum_of_products(feature, mask) * weights).square().sum(),
        (drawn.requires_grad_(),),
    )


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
def test_a_large_picture_in_half_precision_keeps_its_digits(precision: torch.dtype) -> None:
    """A million pixels: more than float16 holds, and eight times finer than bfloat16 tells apart."""
    torch.manual_seed(0)
    feature = (torch.rand(1, 4, 1000, 1000) * 2).to(precision)
    exact = feature.double().flatten(2)[0] @ feature.double().flatten(2)[0].T
    summed = sum_of_products(feature)
    assert summed.dtype == torch.float32
    assert float(exact.max()) > torch.finfo(torch.float16).max
    torch.testing.assert_close(summed.double(), exact, rtol=1e-5, atol=0)


def test_the_gradient_in_half_precision_follows_that_in_float32() -> None:
    torch.manual_seed(0)
    whole = torch.rand(1, 8, 20, 30).requires_grad_()
    half = whole.detach().bfloat16().requires_grad_()
    weights = torch.randn(8, 8)
    (exact,) = torch.autograd.grad((sum_of_products(whole) * weights).sum(), whole)
    (rounded,) = torch.autograd.grad((sum_of_products(half) * weights).sum(), half)
    assert rounded.dtype == torch.bfloat16
    assert float((rounded.float() - exact).norm() / exact.norm()) < 5e-3


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.filterwarnings("ignore:The .grad attribute")  # torch reads it in its own checks
def test_what_the_compiler_sees_of_it_is_the_same(masked: bool) -> None:
    torch.manual_seed(0)
    feature = torch.rand(1, 3, 4, 5).contiguous(memory_format=torch.channels_last).requires_grad_()
    mask = torch.rand(1, 1, 4, 5) if masked else None
    # Checks shapes and gradients of the operation as it is declared.
    torch.library.opcheck(_compiled, (feature, mask))
    declared, plain = _compiled(feature, mask), sum_of_products(feature, mask)
    assert torch.equal(declared, plain)
    gradients = [torch.autograd.grad(one.square().sum(), feature)[0] for one in (declared, plain)]
    assert torch.equal(*gradients)
