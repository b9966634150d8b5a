"""Runs in a process that belongs to somebody else: in threads, in asyncio, one after the other."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

import impasto
import impasto.testing


def paint(seed: int = 0, **settings: object) -> impasto.Result:
    return impasto.testing.run(seed=seed, init="noise", **settings)


def test_in_a_thread_that_is_not_the_main_one() -> None:
    with ThreadPoolExecutor(1) as pool:
        there = pool.submit(paint).result()
    assert there.losses == paint().losses


def test_two_at_once_paint_what_each_paints_alone() -> None:
    alone = [paint(seed).image for seed in (1, 2)]
    with ThreadPoolExecutor(2) as pool:
        together = [result.image for result in pool.map(paint, (1, 2))]
    assert all(map(torch.equal, alone, together))
    assert not torch.equal(*alone)


def test_the_loop_of_asyncio_goes_on_beside_a_run() -> None:
    async def main() -> tuple[impasto.Result, int]:
        task, turns = asyncio.create_task(asyncio.to_thread(paint)), 0
        while not task.done():
            await asyncio.sleep(0.001)
            turns += 1
        return await task, turns

    result, turns = asyncio.run(main())
    assert result.steps == 5
    assert turns > 1


def test_in_a_coroutine() -> None:
    async def main() -> impasto.Result:
        return paint()

    assert asyncio.run(main()).losses == paint().losses


def test_step_by_step_among_other_coroutines() -> None:
    async def one(seed: int) -> list[float]:
        losses = []
        content, style = impasto.testing.pictures()
        for step in impasto.steps(
            content, style, size=32, scales="single", steps=4, init="noise", seed=seed,
            extractor="tiny", plugin=["impasto.testing"],
        ):  # fmt: skip
            losses.append(step.loss)
            await asyncio.sleep(0)
        return losses

    async def main() -> tuple[list[float], list[float]]:
        return await asyncio.gather(one(1), one(2))

    first, second = asyncio.run(main())
    assert len(first) == len(second) == 4
    assert first != second
    assert first == asyncio.run(one(1))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_signals_do_is_as_before(number: signal.Signals) -> None:
    called: list[int] = []
    before = signal.signal(number, lambda signum, frame: called.append(signum))
    try:
        paint()
        handler = signal.getsignal(number)
        signal.raise_signal(number)
    finally:
        signal.signal(number, before)
    assert callable(handler)
    assert called == [number]


def global_state() -> dict[str, object]:
    return {
        "folder": os.getcwd(),
        "random numbers": torch.get_rng_state().tolist(),
        "threads": torch.get_num_threads(),
        "default type": torch.get_default_dtype(),
        "gradients": torch.is_grad_enabled(),
        "environment": dict(os.environ),
        "threads of Python": threading.active_count(),
        "hook for exceptions": sys.excepthook,
    }


@pytest.mark.parametrize("ends", ["well", "badly"])
def test_a_run_leaves_the_process_as_it_was(ends: str) -> None:
    paint()
    before = global_state()
    if ends == "well":
        paint()
    else:
        with pytest.raises(impasto.ImpastoError):
            paint(size=1)
    assert global_state() == before


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def memory_of(work: Callable[[], object]) -> int:
    """Bytes of resident memory that doing it once more adds, the garbage collected."""
    with open("/proc/self/statm") as file:
        before = int(file.read().split()[1])
    work()
    gc.collect()
    with open("/proc/self/statm") as file:
        return (int(file.read().split()[1]) - before) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_one_after_the_other_takes_no_more_files_and_memory() -> None:
    for _ in range(3):
        paint()
    files = open_files()
    grown = memory_of(lambda: [paint() for _ in range(12)])
    assert open_files() == files
    # A run's tensors are about 1 MB here, the copy of an image that is kept 12 KB.
    assert grown < 6e6
