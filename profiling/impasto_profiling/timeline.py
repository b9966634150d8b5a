"""One step as a page draws it: what ran when, inside what, and for which part."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from impasto_profiling.parts import moments_of
from impasto_profiling.trace import GPU_WORK, STEP, Span, Trace

MOST = 4000
"""Most spans of a step that are kept, the longest ones."""


@dataclass
class Table:
    """Texts, each held once and named by its place."""

    texts: dict[str, int] = field(default_factory=dict)

    def place(self, text: str) -> int:
        """The place of a text."""
        return self.texts.setdefault(text, len(self.texts))


@dataclass(frozen=True)
class Timeline:
    """The spans of one step."""

    step: str
    """Its name in the trace."""
    milliseconds: float
    names: list[str]
    """Texts that spans name by their place."""
    spans: list[tuple[float, float, int, int, int]]
    """Start and length in milliseconds, row, name, part."""
    rows: int
    left_out: int
    """Spans that were too short to be kept."""


def usual_step_of(trace: Trace) -> Span:
    """The recorded step that took the median time, or the next longer one."""
    median = statistics.median_high(step.seconds for step in trace.steps)
    return next(step for step in trace.steps if step.seconds == median)


def timeline_of(trace: Trace, step: Span) -> Timeline:
    """The spans of a step of this trace: rows of the thread that takes it first, then the GPU's."""
    owners = {id(span): moment.part for moment in moments_of(trace) for span in moment.new}
    inside = [
        span
        for span in trace.spans
        if step.start <= span.start < step.end and span.end > span.start and span is not step
    ]
    own = [span for span in inside if span.thread == step.thread and not span.name.startswith(STEP)]
    gpu = [span for span in inside if span.category in GPU_WORK]
    kept = set(map(id, sorted([*own, *gpu], key=lambda span: span.start - span.end)[:MOST]))
    placed = list(nested(own))
    depth = 1 + max((row for row, _ in placed), default=0)
    placed += [(depth + row, span) for row, span in nested(gpu)]
    table = Table()
    drawn = [
        _drawn(span, row, step, table, owners.get(id(span), "elsewhere"))
        for row, span in placed
        if id(span) in kept
    ]
    rows = 1 + max((row for row, _ in placed), default=0)
    return Timeline(
        step.name, step.seconds * 1e3, list(table.texts), drawn, rows, len(placed) - len(drawn)
    )


def nested(spans: Sequence[Span]) -> Iterable[tuple[int, Span]]:
    """Each span with the number of those that it lies in; they are ordered by their start."""
    going: list[Span] = []
    for span in spans:
        going = [one for one in going if one.end > span.start]
        yield len(going), span
        going.append(span)


def _drawn(
    span: Span, row: int, step: Span, table: Table, part: str
) -> tuple[float, float, int, int, int]:
    start, end = span.start - step.start, min(span.end, step.end) - step.start
    times = round(start / 1e3, 3), round((end - start) / 1e3, 3)
    return (*times, row, table.place(span.name), table.place(part))
