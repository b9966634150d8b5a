"""Maximum pooling that keeps where each maximum was: against torch's own, bit for bit."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from impasto_plugins.extractors.max_pooling import _compiled, max_pooled


def feature(height: int, width: int, precision: torch.dtype = torch.bfloat16) -> Tensor:
    torch.manual_seed(0)
    # Few different values, so that many maxima are shared.
    drawn = torch.randn(1, 5, height, width).mul(3).round()
    return drawn.to(precision, memory_format=torch.channels_last).requires_grad_()


def gradient_of(output: Tensor, given: Tensor) -> Tensor:
    torch.manual_seed(1)
    (gradient,) = torch.autograd.grad(output, given, torch.randn(output.shape).to(output))
    return gradient


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("height", "width"), [(8, 12), (7, 9), (2, 2), (3, 2), (2, 2**15 - 2), (4, 2**15)]
)
def test_values_and_gradients_are_torchs(precision: torch.dtype, height: int, width: int) -> None:
    given = feature(height, width, precision)
    ours, torchs = max_pooled(given), max_pool2d(given, 2)
    assert torch.equal(ours, torchs)
    gradient = gradient_of(ours, given)
    assert torch.equal(gradient, gradient_of(torchs, given))
    assert gradient.is_contiguous(memory_format=torch.channels_last)


def test_it_keeps_two_bytes_for_each_maximum_and_no_feature() -> None:
    kept: list[Tensor] = []

    def keep(tensor: Tensor) -> Tensor:
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        pooled = max_pooled(feature(8, 12))
    assert sum(tensor.nbytes for tensor in kept) == 2 * pooled.numel()


def test_what_is_no_number_is_not_hidden() -> None:
    given = feature(4, 4).detach().clone()
    given[0, 0, 1, 1] = torch.nan
    assert max_pooled(given)[0, 0, 0, 0].isnan()


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # torch reads it in its own checks
def test_what_the_compiler_sees_of_it_is_the_same() -> None:
    given = feature(7, 9, torch.float32)
    # Checks shapes, layouts and gradients of the operation as it is declared.
    torch.library.opcheck(_compiled, (given,))
    assert torch.equal(_compiled(given)[0], max_pooled(given))
    gradients = gradient_of(_compiled(given)[0], given), gradient_of(max_pooled(given), given)
    assert torch.equal(*gradients)
