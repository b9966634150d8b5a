"""A profiler's trace, read back from its file: what ran when, inside what.

The file is what ``torch.profiler`` exports and TensorBoard opens. Times in it are microseconds.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

STEP = "ProfilerStep#"
SUFFIX = ".pt.trace.json"
"""Suffix by which torch-tb-profiler finds traces in a log."""


GPU_WORK = ("kernel", "gpu_memcpy", "gpu_memset")
LAUNCHING = ("cuda_runtime", "cuda_driver")


@dataclass(frozen=True)
class Span:
    """Something that took time."""

    name: str
    category: str
    """``user_annotation`` (a scope), ``cpu_op``, ``kernel`` …"""
    thread: object
    start: float
    """Microseconds, by the trace's clock."""
    end: float
    """Microseconds."""
    details: dict[str, Any] = field(compare=False, hash=False)
    """Shapes, sequence numbers and the like, as the trace names them."""

    @property
    def seconds(self) -> float:
        """How long it took, with all inside it."""
        return (self.end - self.start) / 1e6


@dataclass(frozen=True)
class Piece:
    """A time in which nothing began or ended."""

    open: Sequence[Span]
    """What was going on, the innermost last."""
    seconds: float
    start: float = 0.0
    """Microseconds, by the trace's clock."""

    @property
    def in_a_step(self) -> bool:
        """Whether it belongs to a recorded step."""
        return any(span.name.startswith(STEP) for span in self.open)


@dataclass(frozen=True)
class Held:
    """Memory after one allocation or release."""

    time: float
    """Microseconds, by the trace's clock."""
    bytes: int
    """Held then of what was taken since the profiler began."""
    change: int = 0
    """Bytes that were taken, or, below 0, given back."""
    address: int = 0
    """Of the memory, by which a release is tied to its allocation."""


@dataclass(frozen=True)
class Launch:
    """A piece of the GPU's work, and the call that started it."""

    call: Span
    seconds: float
    """How long the GPU worked on it."""


@dataclass(frozen=True, eq=False)
class Trace:
    """One recording: a few steps in a row."""

    spans: list[Span]
    """By their start; of two that start together the longer one first."""
    memory: list[Held]
    """By time; empty where memory was not recorded."""

    @cached_property
    def steps(self) -> list[Span]:
        """The recorded steps."""
        return [span for span in self.spans if span.name.startswith(STEP) and not _gpu(span)]

    @property
    def seconds(self) -> float:
        """Time of the recorded steps."""
        return sum(step.seconds for step in self.steps)

    @cached_property
    def launches(self) -> list[Launch]:
        """The GPU's work; empty on the CPU."""
        calls = {
            span.details["correlation"]: span
            for span in self.spans
            if span.category in LAUNCHING and "correlation" in span.details
        }
        work = [span for span in self.spans if span.category in GPU_WORK]
        return [
            Launch(calls[span.details["correlation"]], span.seconds)
            for span in work
            if span.details.get("correlation") in calls
        ]

    def within(self, outer: Span) -> list[Span]:
        """Spans of the same thread that begin in a span, itself left out."""
        first = bisect_left(self._starts, outer.start)
        last = bisect_left(self._starts, outer.end)
        return [
            span
            for span in self.spans[first:last]
            if span.thread == outer.thread and span is not outer
        ]

    @cached_property
    def _starts(self) -> list[float]:
        return [span.start for span in self.spans]

    def pieces(self, thread: object) -> Iterator[Piece]:
        """A thread's time, cut wherever a span begins or ends.

        Spans need not be nested: the profiler's own hook lies across the end of a step.

        Args:
            thread: as the spans name it.
        """
        edges = []
        for order, span in enumerate(self.spans):
            if span.thread == thread and span.end > span.start and not _gpu(span):
                edges += [(span.start, 1, order, span), (span.end, 0, order, span)]
        going: list[Span] = []
        before = 0.0
        for time, begins, _, span in sorted(edges, key=lambda edge: edge[:3]):
            if going and time > before:
                yield Piece(tuple(going), (time - before) / 1e6, before)
            before = time
            if begins:
                going.append(span)
            else:
                going.remove(span)


def read_trace(path: Path) -> Trace:
    """Read a trace that ``export_chrome_trace`` wrote."""
    events = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
    spans = [_span(event) for event in events if event.get("ph") == "X"]
    spans.sort(key=lambda span: (span.start, -span.end))
    return Trace(spans, sorted(_held(events), key=lambda one: one.time))


def _held(events: Sequence[dict[str, Any]]) -> list[Held]:
    """Allocations on the device that computes: on a GPU those of main memory are left out."""
    given = [
        event["args"] | {"ts": event["ts"]} for event in events if event.get("name") == "[memory]"
    ]
    device = max((one.get("Device Type", 0) for one in given), default=0)
    return [
        Held(one["ts"], one["Total Allocated"], one.get("Bytes", 0), one.get("Addr", 0))
        for one in given
        if one.get("Device Type", 0) == device
    ]


def _span(event: dict[str, Any]) -> Span:
    return Span(
        event["name"],
        event.get("cat", ""),
        event["tid"],
        event["ts"],
        event["ts"] + event["dur"],
        event.get("args", {}),
    )


def _gpu(span: Span) -> bool:
    # What the GPU does is shown on tracks of its own, among them copies of the scopes.
    return span.category in (*GPU_WORK, "gpu_user_annotation")
