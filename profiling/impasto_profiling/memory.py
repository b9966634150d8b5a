"""The most memory that the recorded steps took, and what was going on then."""

from __future__ import annotations

from dataclasses import dataclass

from impasto_profiling.parts import part_of
from impasto_profiling.trace import Trace

MIB = 2**20


@dataclass(frozen=True)
class Peak:
    """The most that was held at once of what was allocated since the recording began."""

    mebibytes: float
    part: str
    """The part that was at work."""
    operator: str
    """The operator that was at work; empty if none was."""


def peak_of(trace: Trace) -> Peak | None:
    """The peak of the recorded steps, or None where memory was not recorded."""
    during = [
        held
        for held in trace.memory
        if any(step.start <= held.time <= step.end for step in trace.steps)
    ]
    if not during:
        return None
    most = max(during, key=lambda held: held.bytes)
    thread = trace.steps[0].thread
    going = [
        span for span in trace.spans if span.start <= most.time <= span.end if span.thread == thread
    ]
    operators = [span.name for span in going if span.category == "cpu_op"]
    return Peak(most.bytes / MIB, part_of(going), operators[-1] if operators else "")
