"""Taking turns, and a clock that can be stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch

from impasto.model import gpu
from impasto.plugin import synchronize
from impasto_profiling.bench.record import Figure, figure

Sampler = Callable[[], float]
"""A function that does its work once and returns its sample."""


def take_turns(contestants: Mapping[str, Sampler], rounds: int, warm_up: int) -> dict[str, Figure]:
    """Let contestants take turns, A B A B, so that whatever the machine does else meets all alike.

    Args:
        contestants: by name.
        rounds: samples of each, 1 or more.
        warm_up: rounds before, whose samples are thrown away.
    """
    samples: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(warm_up + rounds):
        for name, sampler in contestants.items():
            sample = sampler()
            if number >= warm_up:
                samples[name].append(sample)
    return {name: figure(name, taken) for name, taken in samples.items()}


def timed(work: Callable[[], object], synchronize: Callable[[], None] = lambda: None) -> float:
    """Seconds that a piece of work takes, until the device has done it."""
    synchronize()
    started = time.perf_counter()
    work()
    synchronize()
    return time.perf_counter() - started


def timed_on(device: torch.device, work: Callable[[], object]) -> float:
    """Seconds that a piece of work takes on a device: on CUDA by its own events."""
    if not gpu.is_cuda(device):
        return timed(work, lambda: synchronize(device))
    with torch.cuda.device(device):
        begun, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        begun.record()
        work()
        ended.record()
        ended.synchronize()
        milliseconds: float = begun.elapsed_time(ended)
        return milliseconds / 1000


class StopWatch:
    """A clock that stands still while something is looked up that is no part of the work."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Add the time of the block."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - started
