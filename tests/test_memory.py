"""Memory that is given back: in a large stage at once, between stages all of it."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from impasto.memory import LARGE

MANY = 10
PIECE = 16 * 2**20
PROGRAM = f"""
import torch
from impasto.estimate import resident_bytes
from impasto.memory import settle

def piece():
    return torch.ones({PIECE // 4})

settle({{pixels}})
piece()
pieces = [piece() for _ in range({MANY})]
before = resident_bytes()
del pieces[::2]
freed = before - resident_bytes()
settle(1)
print(freed, before - resident_bytes())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not GNU's")
@pytest.mark.parametrize(("pixels", "at_once"), [(LARGE, True), (LARGE - 1, False)])
def test_a_large_stage_gives_back_at_once_what_it_frees(pixels: int, at_once: bool) -> None:
    program = PROGRAM.format(pixels=pixels)
    # Our own program, in a process of its own: what is set holds for all of it.
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    freed, settled = map(int, done.stdout.split())
    half = MANY // 2 * PIECE
    assert (freed > 0.9 * half) == at_once
    assert settled > 0.9 * half
