"""Memory that is given back: in a large stage at once, in a small one not, between stages all of it."""

from __future__ import annotations

import mmap
import platform
import subprocess
import sys

import pytest

from impasto.optimization.memory import LARGE

MANY = 10
PIECE = 16 * 2**20
PROGRAM = f"""
import torch
from impasto.optimization.memory import resident_bytes
from impasto.optimization.memory import configure_malloc

def piece():
    return torch.ones({PIECE // 4})

configure_malloc({{pixels}})
piece()
pieces = [piece() for _ in range({MANY})]
before = resident_bytes()
del pieces[::2]
freed = before - resident_bytes()
configure_malloc(1)
print(freed, before - resident_bytes())
"""


AGAIN = f"""
import torch
from resource import RUSAGE_SELF, getrusage
from impasto.optimization.memory import configure_malloc

configure_malloc({{pixels}})
for _ in range(3):
    before = getrusage(RUSAGE_SELF).ru_minflt
    pieces = [torch.ones({PIECE // 4}) for _ in range({MANY})]
    del pieces
print(getrusage(RUSAGE_SELF).ru_minflt - before)
"""
"""Prints how many pages were cleared anew in the third round."""

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="the C library is not GNU's"
)


def printed(program: str, pixels: int) -> list[int]:
    """What it prints, in a process of its own: what is set holds for all of it."""
    done = subprocess.run(
        [sys.executable, "-c", program.format(pixels=pixels)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [int(word) for word in done.stdout.split()]


@pytest.mark.parametrize(("pixels", "kept"), [(LARGE, False), (LARGE - 1, True)])
def test_a_small_stage_has_what_it_freed_again(pixels: int, kept: bool) -> None:
    (faults,) = printed(AGAIN, pixels)
    pages = MANY * PIECE / mmap.PAGESIZE
    # Not none: other pieces may lie between.
    assert (faults < 0.5 * pages) == kept


@pytest.mark.parametrize(("pixels", "at_once"), [(LARGE, True), (LARGE - 1, False)])
def test_a_large_stage_gives_back_at_once_what_it_frees(pixels: int, at_once: bool) -> None:
    freed, settled = printed(PROGRAM, pixels)
    half = MANY // 2 * PIECE
    assert (freed > 0.9 * half) == at_once
    assert settled > 0.9 * half
