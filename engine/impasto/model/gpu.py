"""What is done otherwise on CUDA and on MPS: all places that ask for it ask here.

None of it has run on a card yet. Tests replace :func:`is_cuda`, and see what follows.
"""

from __future__ import annotations

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
