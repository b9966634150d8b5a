"""Convolution and ReLU in one: against torch's own, which are two."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, relu

from impasto.model import gpu
from impasto_plugins.extractors import fused_convolution
from impasto_plugins.extractors.relu_convolution import PaddingMode, ReLUConvolution

PRECISIONS = [torch.float32, torch.bfloat16]


def layer(precision: torch.dtype, padding_mode: PaddingMode = "zeros") -> ReLUConvolution:
    torch.manual_seed(0)
    made = ReLUConvolution(6, 16, padding_mode).requires_grad_(False)
    # The layer itself leaves its weights as they are.
    nn.Conv2d.reset_parameters(made)
    return made.to(precision, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def picture(precision: torch.dtype, height: int = 10, width: int = 14) -> Tensor:
    torch.manual_seed(1)
    drawn = torch.randn(1, 6, height, width).to(precision, memory_format=torch.channels_last)
    return drawn.requires_grad_()


def gradient_of(output: Tensor, feature: Tensor) -> Tensor:
    torch.manual_seed(2)
    (gradient,) = torch.autograd.grad(output, feature, torch.randn(output.shape).to(output))
    return gradient


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(("height", "width"), [(10, 14), (1, 1), (7, 33)])
def test_values_and_gradients_are_those_of_two_operations(
    precision: torch.dtype, height: int, width: int
) -> None:
    convolution, feature = layer(precision), picture(precision, height, width)
    mine = convolution(feature)
    plain = relu(conv2d(feature, convolution.weight, convolution.bias, padding=1))
    bound = 1e-5 if precision == torch.float32 else 1.6e-2
    torch.testing.assert_close(mine, plain, rtol=bound, atol=1e-5)
    gradients = gradient_of(mine, feature), gradient_of(plain, feature)
    torch.testing.assert_close(*gradients, rtol=bound, atol=1e-2 if bound > 1e-5 else 1e-5)


def test_another_size_and_another_precision() -> None:
    convolution = layer(torch.float32)
    first = convolution(picture(torch.float32))
    convolution(picture(torch.float32, 5, 4))
    assert torch.equal(convolution(picture(torch.float32)), first)
    with torch.no_grad():
        assert convolution.double()(picture(torch.float64)).dtype == torch.float64
        convolution.float().weight.mul_(2)
    convolution.to(torch.float32)
    convolution.bias = torch.nn.Parameter(torch.zeros(16), False)
    half = relu(conv2d(picture(torch.float32), convolution.weight / 2, padding=1))
    torch.testing.assert_close(convolution(picture(torch.float32)), half * 2)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_what_is_no_number_is_not_hidden(precision: torch.dtype) -> None:
    feature = picture(precision).detach().clone()
    feature[0, 0, 3, 3] = torch.nan
    assert layer(precision)(feature)[0, :, 2:5, 2:5].isnan().all()


@pytest.mark.parametrize("mode", ["replicate", "reflect"])
def test_other_paddings(mode: PaddingMode) -> None:
    convolution, feature = layer(torch.float32, mode), picture(torch.float32)
    padded = torch.nn.functional.pad(feature, (1, 1, 1, 1), mode=mode)
    plain = relu(conv2d(padded, convolution.weight, convolution.bias))
    torch.testing.assert_close(convolution(feature), plain)


def test_gradient_by_finite_differences() -> None:
    convolution, feature = layer(torch.float64), picture(torch.float64, 4, 5)
    assert torch.autograd.gradcheck(convolution, (feature,))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_without_relu(precision: torch.dtype) -> None:
    convolution, feature = layer(precision), picture(precision)
    mine = convolution(feature, with_relu=False)
    plain = conv2d(feature, convolution.weight, convolution.bias, padding=1)
    assert (mine < 0).any()
    bound = 1e-5 if precision == torch.float32 else 1.6e-2
    torch.testing.assert_close(mine, plain, rtol=bound, atol=1e-5 if bound == 1e-5 else 1e-2)
    gradients = gradient_of(mine, feature), gradient_of(plain, feature)
    torch.testing.assert_close(*gradients, rtol=bound, atol=1e-2 if bound > 1e-5 else 1e-5)


def test_a_copy_has_weights_of_its_own() -> None:
    convolution = ReLUConvolution(128, 128)
    nn.Conv2d.reset_parameters(convolution)
    convolution.requires_grad_(False)
    feature = torch.ones(1, 128, 4, 4)
    first = convolution(feature)
    other = copy.deepcopy(convolution)
    with torch.no_grad():
        other.weight.zero_()
    assert not torch.equal(other(feature), first)
    assert torch.equal(convolution(feature), first)


def test_changed_weights_are_transformed_anew_when_it_is_moved() -> None:
    convolution = ReLUConvolution(128, 128)
    convolution.weight = nn.Parameter(torch.randn(128, 128, 3, 3), False)
    convolution.bias = nn.Parameter(torch.zeros(128), False)
    feature = torch.ones(1, 128, 4, 4)
    first = convolution(feature, with_relu=False)
    with torch.no_grad():
        convolution.weight.mul_(2)
    convolution.to(torch.float32)
    torch.testing.assert_close(convolution(feature, with_relu=False), first * 2)


def in_turn(feature: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return relu(conv2d(feature, weight, bias, padding=1))


def without_relu(feature: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return conv2d(feature, weight, bias, padding=1)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_gradients_of_the_fused_one(
    precision: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """cuDNN's operation has none of its own; one of torch's stands in for it here."""
    monkeypatch.setattr(fused_convolution, "convolution_with_relu", in_turn)
    made, feature = layer(precision), picture(precision)
    assert made.bias is not None
    output = fused_convolution.convolved(feature, made.weight, made.bias)
    plain = in_turn(feature, made.weight, made.bias)
    assert torch.equal(output, plain)
    assert torch.equal(gradient_of(output, feature), gradient_of(plain, feature))


@pytest.mark.parametrize(
    ("at_once", "seconds", "expected"),
    [(in_turn, [1.0, 2.0], True), (in_turn, [2.0, 1.0], False), (without_relu, [1.0, 2.0], False)],
)
def test_fused_where_it_is_right_and_no_slower(
    at_once: object, seconds: list[float], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu, "convolution_with_relu", at_once)
    monkeypatch.setattr(gpu, "_seconds", lambda compute, device: seconds.pop(0))
    assert gpu.fusing_pays.__wrapped__(torch.device("cpu"), torch.float32) is expected


def test_not_fused_where_there_is_no_such_kernel() -> None:
    assert not gpu.fusing_pays.__wrapped__(torch.device("cpu"), torch.float32)
    assert not gpu.fuses_relu(torch.device("cpu"), torch.float32)
