"""Memory that is given back: large blocks at once, small ones between stages."""

from __future__ import annotations

import mmap
import os
import platform
import subprocess
import sys

import pytest

from impasto.optimization.memory import HUGE_PAGES, use_huge_pages

MANY = 10
LARGE_PIECE, SMALL_PIECE = 16 * 2**20, 2**20
PROGRAM = f"""
import torch
from impasto.optimization.memory import resident_bytes
from impasto.optimization.memory import configure_malloc

def piece():
    return torch.ones({{piece}} // 4)

configure_malloc()
piece()
pieces = [piece() for _ in range({MANY})]
before = resident_bytes()
del pieces[::2]
freed = before - resident_bytes()
configure_malloc()
print(freed, before - resident_bytes())
"""


AGAIN = f"""
import torch
from resource import RUSAGE_SELF, getrusage
from impasto.optimization.memory import configure_malloc

configure_malloc()
for _ in range(3):
    before = getrusage(RUSAGE_SELF).ru_minflt
    pieces = [torch.ones({{piece}} // 4) for _ in range({MANY})]
    del pieces
print(getrusage(RUSAGE_SELF).ru_minflt - before)
"""
"""Prints how many pages were cleared anew in the third round."""

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="the C library is not GNU's"
)


def printed(program: str, piece: int) -> list[int]:
    """What it prints, in a process of its own: what is set holds for all of it."""
    done = subprocess.run(
        [sys.executable, "-c", program.format(piece=piece)],
        env={**os.environ, HUGE_PAGES: "0"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [int(word) for word in done.stdout.split()]


@pytest.mark.parametrize(("piece", "kept"), [(LARGE_PIECE, False), (SMALL_PIECE, True)])
def test_a_stage_has_small_blocks_that_it_freed_again(piece: int, kept: bool) -> None:
    (faults,) = printed(AGAIN, piece)
    # Not none: other pieces may lie between.
    assert (faults < 0.5 * MANY * piece / mmap.PAGESIZE) == kept


def test_a_stage_gives_back_large_blocks_at_once() -> None:
    freed, _ = printed(PROGRAM, LARGE_PIECE)
    assert freed > 0.9 * (MANY // 2 * LARGE_PIECE)


def test_the_next_stage_gives_back_small_blocks() -> None:
    freed, settled = printed(PROGRAM, SMALL_PIECE)
    half = MANY // 2 * SMALL_PIECE
    assert freed < 0.5 * half
    assert settled > 0.9 * half


@pytest.mark.parametrize(("given", "wanted"), [({}, "1"), ({HUGE_PAGES: "0"}, "0")])
def test_torch_may_ask_for_huge_pages_unless_the_user_chose(
    given: dict[str, str], wanted: str
) -> None:
    use_huge_pages(environment := {**given})
    assert environment == {HUGE_PAGES: wanted}
