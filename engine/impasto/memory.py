"""Memory: given back between stages; running out of it told, and said with what needs less."""

from __future__ import annotations

import ctypes
import math
import sys
import traceback
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from impasto.state import Run

WORDS = ("not enough memory", "out of memory", "allocate memory", "unable to allocate")
"""In the texts of those errors of torch, NumPy and the system that have no type of their own."""


def give_back() -> None:
    """Give free memory back to the system.

    The C library keeps what was freed in pieces for later, but the next stage's pieces are larger.
    Measured on Linux at 1024 pixels, in single runs: an eighth of the peak. Elsewhere nothing is done.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def is_shortage(error: BaseException) -> bool:
    """Whether an error, or one that it came from, says that memory has run out."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    told = isinstance(error, (RuntimeError, OSError)) and any(
        words in str(error).lower() for words in WORDS
    )
    return told or (error.__cause__ is not None and is_shortage(error.__cause__))


def let_go(error: BaseException) -> None:
    """Free what the frames of an error hold, so that the picture can be kept."""
    traceback.clear_frames(error.__traceback__)
    if error.__cause__ is not None:
        let_go(error.__cause__)


def what_needs_less(run: Run) -> str:
    """One line on the stage that memory did not suffice for, and on what needs about half as much.

    Memory grows with the number of pixels, so half as much takes sides shorter by √2.
    """
    ahead = [stage for stage in run.stages if run.done_in(stage) < stage.steps]
    stage = ahead[0] if ahead else run.stages[-1]
    precision = str(run.precision).removeprefix("torch.")
    measure = min if run.settings.side == "shorter" else max
    size = max(16, math.floor(measure(stage.width, stage.height) / math.sqrt(2)))
    advice = [f"--size {size} needs about half as much"]
    if stage.number:
        before = run.stages[stage.number - 1]
        advice.append(f"--size {measure(before.width, before.height)} did fit")
    if precision == "float32":
        advice.append("--precision bfloat16 needs less, too")
    return (
        f"out of memory at {stage.width} × {stage.height} pixels in {precision}:"
        f" {', '.join(advice)}"
    )
