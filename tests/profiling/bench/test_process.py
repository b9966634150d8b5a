"""Other processes, measured from outside."""

from __future__ import annotations

import os
import sys
import time

import pytest

from impasto_profiling.bench.process import run_process

SLEEPER = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"


def test_what_is_measured_ends_when_the_measuring_is_interrupted() -> None:
    numbers: list[int] = []

    def interrupted(line: str) -> bool:
        numbers.append(int(line))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_process([sys.executable, "-c", SLEEPER], until=interrupted)
    deadline = time.monotonic() + 30
    while alive(numbers[0]) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(numbers[0])


def alive(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return True
