"""What is done otherwise on CUDA: all places that ask for it ask here.

None of it has run on a card yet. Tests replace :func:`is_cuda`, and see what follows.
"""

from __future__ import annotations

import torch
from torch import Tensor


def is_cuda(device: torch.device) -> bool:
    """Whether a device is an NVIDIA card, or one that torch treats as such."""
    return device.type == "cuda"


def sum_of_outer_products(points: Tensor) -> Tensor:
    """Σ x xᵀ over rows x, summed in float32 at least: (n, C) → (C, C).

    On CUDA numbers of half precision are multiplied as they are, exactly, and summed in float32; elsewhere
    they are copied to float32 first.
    """
    if is_cuda(points.device) and points.dtype.itemsize == 2:
        return torch.mm(points.T, points, out_dtype=torch.float32)
    wide = points.to(torch.promote_types(points.dtype, torch.float32))
    return wide.T @ wide
