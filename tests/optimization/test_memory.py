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
import os
import sys
from resource import RUSAGE_SELF, getrusage
import torch
from impasto.optimization.memory import configure_malloc, resident_bytes

def giving_back(size):
    configure_malloc()
    torch.ones(size // 4)
    pieces = [torch.ones(size // 4) for _ in range({MANY})]
    before = resident_bytes()
    del pieces[::2]
    freed = before - resident_bytes()
    configure_malloc()
    print(freed, before - resident_bytes())

def cleared_anew(size):
    configure_malloc()
    for _ in range(3):
        before = getrusage(RUSAGE_SELF).ru_minflt
        pieces = [torch.ones(size // 4) for _ in range({MANY})]
        del pieces
    print(getrusage(RUSAGE_SELF).ru_minflt - before)

for function in (giving_back, cleared_anew):
    for size in ({LARGE_PIECE}, {SMALL_PIECE}):
        # What is set holds for all of a process.
        if not (child := os.fork()):
            function(size)
            sys.stdout.flush()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
"""
"""Prints, for large pieces and small ones, the bytes that are given back at once and in the end; and how many
pages were cleared anew in the third of three rounds."""

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="the C library is not GNU's"
)


@pytest.fixture(scope="module")
def printed() -> list[tuple[int, ...]]:
    """What the program prints, line by line."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env={**os.environ, HUGE_PAGES: "0"}, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    return [tuple(map(int, line.split())) for line in done.stdout.splitlines()]


def test_a_stage_has_small_blocks_that_it_freed_again(printed: list[tuple[int, ...]]) -> None:
    pieces = ((LARGE_PIECE, False), (SMALL_PIECE, True))
    for (faults,), (piece, kept) in zip(printed[2:], pieces, strict=True):
        # Not none: other pieces may lie between.
        assert (faults < 0.5 * MANY * piece / mmap.PAGESIZE) == kept


def test_a_stage_gives_back_large_blocks_at_once(printed: list[tuple[int, ...]]) -> None:
    freed, _ = printed[0]
    assert freed > 0.9 * (MANY // 2 * LARGE_PIECE)


def test_the_next_stage_gives_back_small_blocks(printed: list[tuple[int, ...]]) -> None:
    freed, settled = printed[1]
    half = MANY // 2 * SMALL_PIECE
    assert freed < 0.5 * half
    assert settled > 0.9 * half


@pytest.mark.parametrize(
    ("given", "wanted"), [({}, "1"), ({HUGE_PAGES: "0"}, "0"), ({HUGE_PAGES: "odd"}, "1")]
)
def test_torch_may_ask_for_huge_pages_unless_the_user_chose(
    given: dict[str, str], wanted: str
) -> None:
    use_huge_pages(environment := {**given})
    assert environment == {HUGE_PAGES: wanted}
