"""The machine's ceiling: how fast it multiplies matrices in a precision, measured here and now.

A convolution is a matrix product with more to do around it, so that no convolution computed by the
direct algorithm is expected to be faster. This is the flat part of a roofline (Williams, Waterman and
Patterson, "Roofline", 2009).
"""

from __future__ import annotations

import statistics
import time

import torch
from torch import Tensor

from impasto.plugin import synchronize

SIZES = {"cpu": (1024, 2048), "cuda": (4096, 8192)}
"""Sides of the square matrices that are tried: large enough that moving them costs little."""

COPIED = 2**26
"""Numbers of four bytes that are copied."""

CACHED = 2**16
"""Numbers of four bytes that stay in a processor's caches when they are copied."""

REPEATS = 5
LONGEST = 1.0
"""Seconds; where a smaller product takes longer, no larger one is tried."""


def matrix_rate(dtype: torch.dtype, device: torch.device) -> float:
    """Rate of a product of two square matrices, GFLOP/s: the fastest one of all sizes and repeats.

    The fastest, since what else runs on the machine only ever makes one slower.

    Args:
        dtype: precision of the factors and of the product.
        device: where to measure. Nothing else should compute there meanwhile.

    Raises:
        RuntimeError: the device does not multiply matrices in this precision.
    """
    best = 0.0
    for size in SIZES.get(device.type, SIZES["cpu"]):
        left, right = (torch.rand(size, size, device=device).to(dtype) for _ in range(2))
        product = torch.empty(size, size, dtype=dtype, device=device)
        seconds = min(times(left, right, product))
        best = max(best, 2 * size**3 / seconds / 1e9)
        if seconds > LONGEST:
            break
    return best


def copy_rate(device: torch.device, numbers: int | None = None) -> float:
    """Rate of copying memory, read and written bytes, GB/s: the median of several.

    It is the slope of a roofline: what has few operations for each byte cannot be faster.

    Args:
        device: where to measure. Nothing else should compute there meanwhile.
        numbers: of four bytes that are copied; None takes so many that no cache holds them.
    """
    source = torch.ones(numbers or COPIED, device=device)
    copy = torch.empty_like(source)
    taken = []
    for _ in range(REPEATS + 1):
        synchronize(device)
        started = time.perf_counter()
        copy.copy_(source)
        synchronize(device)
        taken.append(time.perf_counter() - started)
    return 2 * source.nbytes / statistics.median(taken[1:]) / 1e9


def times(left: Tensor, right: Tensor, product: Tensor) -> list[float]:
    """Seconds of each of several products, after one that is not timed."""
    taken = []
    for _ in range(REPEATS + 1):
        synchronize(left.device)
        started = time.perf_counter()
        torch.mm(left, right, out=product)
        synchronize(left.device)
        taken.append(time.perf_counter() - started)
    return taken[1:]
