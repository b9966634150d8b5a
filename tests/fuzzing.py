"""What the fuzz tests share: damage, what counts as a clear line, and how many cases.

The fast suite tries some hundred cases, the slow one at least ten thousand. A longer run by hand, with
other cases each time:  FUZZ_CASES=100000 pytest -m slow -k "fuzz or signals"
The summary at the end of the tests says how many were tried.
"""

from __future__ import annotations

import logging
import os
import resource
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

import impasto
from helpers import PROPERTY

CASES = int(os.environ.get("FUZZ_CASES", "10000"))
SECONDS = 10.0
"""Of the processor: a case that takes longer hangs, however busy the machine of the tests is."""
MEMORY = 400_000_000
"""Bytes that a case may add to the most that the process ever had."""

FAST = settings(
    max_examples=400, deadline=None, derandomize=True, database=None, report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip


FEW = settings(FAST, max_examples=100)
"""Of the fast suite, where a case takes longer, or there are many kinds."""


def many(share: float) -> settings:
    """Of the slow suite: this share of the cases, others each time if their number was given."""
    by_hand = "FUZZ_CASES" in os.environ
    return settings(FAST, max_examples=max(1, round(CASES * share)), derandomize=not by_hand)


NUMBERS = [
    b"\0" * 4,
    b"\xff" * 4,
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\x80\0\0\0",
    b"\0\1\0\0",
]


@dataclass(frozen=True)
class Edit:
    """One change to a file: what, where (as a fraction of it), and with what."""

    kind: str
    place: float
    length: int
    data: bytes

    def on(self, file: bytes) -> bytes:
        start = int(self.place * len(file))
        end = start + self.length
        changed = {
            "overwrite": file[:start] + self.data + file[start + len(self.data) :],
            "insert": file[:start] + self.data + file[start:],
            "delete": file[:start] + file[end:],
            "cut": file[:start],
            "repeat": file[:end] + file[start:end] * 3 + file[end:],
            "flip": file[:start] + bytes(byte ^ 1 << self.length % 8 for byte in file[start : start + 1])
            + file[start + 1 :],
        }  # fmt: skip
        return changed[self.kind]


# Headers, where most can go wrong, lie at the beginning; directories of TIFF may lie at the end.
PLACES = st.one_of(st.floats(0, 1), st.floats(0, 0.1), st.floats(0.9, 1))
EDITS = st.lists(
    st.builds(
        Edit,
        st.sampled_from(["overwrite", "overwrite", "flip", "flip", "insert", "delete", "cut", "repeat"]),
        PLACES,
        st.integers(1, 64),
        st.one_of(st.sampled_from(NUMBERS), st.binary(min_size=1, max_size=8)),
    ),
    min_size=1,
    max_size=4,
)  # fmt: skip


def edited(file: bytes, edits: list[Edit]) -> bytes:
    """A file with several changes, one after the other."""
    for edit in edits:
        file = edit.on(file)
    return file


@dataclass
class Tried:
    """How many cases the test that runs has tried so far."""

    cases: int = 0


TRIED = Tried()


def only_clear_lines(action: Callable[[], object]) -> str | None:
    """The line that an action is refused with, or None. Fails for all else, and for hangs and hunger."""
    TRIED.cases += 1
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            action()
            line = None
        except impasto.ImpastoError as error:
            line = str(error)
            assert line
            assert "\n" not in line
            assert len(line) < 1000
    assert time.process_time() - started < SECONDS
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown * 1024 < MEMORY
    return line


@pytest.fixture(autouse=True)
def quiet(record_property: Callable[[str, object], None]) -> Iterator[None]:
    """No warnings of the library in between; at the end the summary says how many cases were tried."""
    logger = logging.getLogger("impasto")
    before, logger.level, TRIED.cases = logger.level, logging.CRITICAL, 0
    yield
    logger.level = before
    if TRIED.cases:
        record_property(PROPERTY, TRIED.cases)
