"""What is done otherwise on CUDA and on MPS: all places that ask for it ask here.

None of it has run on a card yet. Tests replace :func:`is_cuda`, and see what follows.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

CONTEXT = 700_000_000
"""Bytes that CUDA's context, kernels and workspaces take of a card beyond the tensors, about."""
BFLOAT16_FROM = (8, 0)
"""Compute capability from which on a card multiplies bfloat16."""


def is_cuda(device: torch.device) -> bool:
    """Whether a device is an NVIDIA card, or one that torch treats as such."""
    return device.type == "cuda"


def refusal(device: torch.device) -> str:
    """Why a CUDA device cannot be used; empty where it can. An old driver, or no card, is torch's to tell."""
    try:
        torch.cuda.init()  # type: ignore[no-untyped-call]
    except (RuntimeError, AssertionError) as error:
        return str(error).partition("\n")[0]
    count = torch.cuda.device_count()
    if device.index is not None and device.index >= count:
        known = ", ".join(f"cuda:{number}" for number in range(count))
        return f"there is no such card; there is {known or 'none'}"
    return ""


def configure(device: torch.device) -> None:
    """Let CUDA compute the same each time, and float32 in full.

    TF32 has ten bits of a product's factors: the roots of the loss ``wasserstein`` would diverge. Where
    speed counts more, bfloat16 is faster still. These settings are the whole process's.
    """
    if is_cuda(device):
        torch.backends.cuda.matmul.fp32_precision = "ieee"
        torch.backends.cudnn.conv.fp32_precision = "ieee"  # type: ignore[attr-defined]
        torch.backends.cudnn.deterministic = True


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether a device that is no processor multiplies bfloat16 natively."""
    return is_cuda(device) and torch.cuda.get_device_capability(device) >= BFLOAT16_FROM


def card(device: torch.device) -> str:
    """The card by name, with what the last digits of a picture depend on; empty without CUDA."""
    if not is_cuda(device):
        return ""
    major, minor = torch.cuda.get_device_capability(device)
    name = torch.cuda.get_device_name(device)
    cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
    driver = torch._C._cuda_getDriverVersion()  # type: ignore[attr-defined]
    return f"{name}, capability {major}.{minor}, driver for CUDA {driver}, cuDNN {cudnn}"


def pools_to_any_size(device: torch.device) -> bool:
    """Whether adaptive pooling takes every size: Apple's MPS wants sides that divide the input's."""
    return device.type != "mps"


def synchronize(device: torch.device) -> None:
    """Wait until a device has done what was asked of it; a processor always has."""
    if is_cuda(device):
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def copied_to_host(tensor: Tensor) -> Tensor:
    """A copy of a tensor in main memory; of a card's one it is whole once :func:`copies_done` says so.

    The copy is made before whatever the card is asked for next; the host does not wait for it.
    """
    if not is_cuda(tensor.device):
        return tensor.detach().to("cpu", copy=True)
    copy = torch.empty_like(tensor, device="cpu", pin_memory=True)
    return copy.copy_(tensor.detach(), non_blocking=True)


def copies_done(device: torch.device) -> Callable[[], None]:
    """What to call to wait, in any thread, for the copies that were asked for so far."""
    if not is_cuda(device):
        return lambda: None
    event = torch.cuda.Event()  # type: ignore[no-untyped-call]
    event.record(torch.cuda.current_stream(device))
    return event.synchronize


def forget_peak(device: torch.device) -> None:
    """Begin to measure :func:`peak_bytes` anew, where the device can."""
    if is_cuda(device):
        torch.cuda.reset_peak_memory_stats(device)


def peak_bytes(device: torch.device) -> int | None:
    """The most bytes that tensors took on a card; None where the device does not say."""
    return torch.cuda.max_memory_allocated(device) if is_cuda(device) else None


def free_bytes(device: torch.device) -> int | None:
    """Bytes that are free on a card; None where the device does not say."""
    return torch.cuda.mem_get_info(device)[0] if is_cuda(device) else None


def sum_of_outer_products(points: Tensor) -> Tensor:
    """Σ x xᵀ over rows x, summed in float32 at least: (n, C) → (C, C).

    On CUDA numbers of half precision are multiplied as they are, exactly, and summed in float32; elsewhere
    they are copied to float32 first.
    """
    if is_cuda(points.device) and points.dtype.itemsize == 2:
        return torch.mm(points.T, points, out_dtype=torch.float32)
    wide = points.to(torch.promote_types(points.dtype, torch.float32))
    return wide.T @ wide


def fuses_optimizer(parameters: Iterable[Tensor]) -> bool:
    """Whether a step of torch's Adam, AdamW and SGD is to be one kernel, which they call ``fused``.

    On processors their steps, and the bytes of pictures, stay as they are.

    Args:
        parameters: of the optimizer.
    """
    return all(is_cuda(one.device) and one.is_floating_point() for one in parameters)


def fuses_relu(device: torch.device, precision: torch.dtype) -> bool:
    """Whether cuDNN computes a convolution with its bias and ReLU at once, right, and no slower.

    cuDNN has no such kernel for some cards and precisions, and slow ones for others (pytorch issue 68506),
    so that it is tried, once in a process.

    Args:
        device: of the features.
        precision: of features and weights.
    """
    return is_cuda(device) and fusing_pays(device, precision)


@functools.cache
def fusing_pays(device: torch.device, precision: torch.dtype) -> bool:
    """See :func:`fuses_relu`; tries it on 256 channels of 64 × 64."""

    def drawn(to: float, *shape: int) -> Tensor:
        return torch.linspace(-to, to, math.prod(shape)).sin().view(shape).to(device, precision)

    feature = drawn(9, 1, 256, 64, 64).contiguous(memory_format=torch.channels_last)
    weight, bias = drawn(99, 256, 256, 3, 3) / 9, drawn(1, 256)

    def at_once() -> Tensor:
        return convolution_with_relu(feature, weight, bias)

    def in_turn() -> Tensor:
        return torch.conv2d(feature, weight, bias, padding=1).relu_()

    try:
        if not torch.allclose(at_once().float(), in_turn().float(), rtol=0.05, atol=0.05):
            return False
    except RuntimeError:
        return False
    return _seconds(at_once, device) <= _seconds(in_turn, device)


def convolution_with_relu(feature: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """relu(conv(x)) of cuDNN, without a gradient: (1, incoming, h, w) → (1, outgoing, h, w).

    Args:
        feature: (1, incoming, h, w), padded by one pixel of zeros.
        weight: (outgoing, incoming, 3, 3).
        bias: (outgoing,).
    """
    convolved: Tensor = torch.ops.aten.cudnn_convolution_relu(
        feature, weight, bias, [1, 1], [1, 1], [1, 1], 1
    )
    return convolved


def _seconds(compute: Callable[[], Tensor], device: torch.device) -> float:
    """Of the fastest of some calls."""
    times = []
    for _ in range(10):
        synchronize(device)
        started = time.perf_counter()
        compute()
        synchronize(device)
        times.append(time.perf_counter() - started)
    return min(times)
