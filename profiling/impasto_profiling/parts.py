"""Whose time it was: each moment of a step goes to the innermost part that was at work."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from impasto_profiling.trace import Piece, Span, Trace

KINDS = ("extractor", "loss", "canvas", "optimizer", "plugin", "objective", "backward")
"""What the names of our scopes begin with; scopes of others count to the part that they lie in."""

ELSEWHERE = "elsewhere"
"""Time in a step and in no part: the loop's own."""

BACKWARD = "autograd::engine::evaluate_function"


@dataclass
class Part:
    """What a part took, in all recorded steps."""

    name: str
    """As in the trace: ``extractor/conv3_1``, ``loss/gram``, ``plugin/NAME/HOOK``, ``backward`` …"""
    forward: float = 0.0
    """Seconds of its own, parts inside it left out."""
    backward: float = 0.0
    """Seconds of the gradients of what it computed."""
    device: float = 0.0
    """Seconds of the GPU for what it started; 0 on the CPU."""

    @property
    def seconds(self) -> float:
        """Seconds of the forward and the backward pass, by the clock."""
        return self.forward + self.backward


def parts_of(trace: Trace) -> list[Part]:
    """The parts of the recorded steps, the most expensive first; their seconds add up to the steps'.

    Gradients are tied to what they belong to by autograd's sequence numbers. On a GPU the backward
    pass has a thread of its own, while that of the steps waits in ``backward``.
    """
    parts: dict[str, Part] = {}
    sources = _sources(trace)
    threads = {step.thread for step in trace.steps}
    for thread in threads:
        for piece in trace.pieces(thread):
            if piece.in_a_step:
                name, is_gradient = _owner(piece, sources)
                part = parts.setdefault(name, Part(name))
                part.backward += piece.seconds * is_gradient
                part.forward += piece.seconds * (not is_gradient)
    for name, seconds in _device_seconds(trace, sources).items():
        parts.setdefault(name, Part(name)).device += seconds
    return sorted(parts.values(), key=lambda part: -part.seconds)


def part_of(going: Sequence[Span]) -> str:
    """The innermost part of what is going on."""
    names = (span.name for span in reversed(going) if span.category == "user_annotation")
    return next((name for name in names if name.split("/")[0] in KINDS), ELSEWHERE)


def _owner(piece: Piece, sources: dict[int, str]) -> tuple[str, bool]:
    """Name of the part, and whether its gradient was computed."""
    name = part_of(piece.open)
    for span in reversed(piece.open):
        if span.name.startswith(BACKWARD) and span.details.get("Sequence number") in sources:
            return sources[span.details["Sequence number"]], True
    return name, name == "backward"


def _sources(trace: Trace) -> dict[int, str]:
    """The part that each node of the graph was made in, by its sequence number.

    Operations that make no node show the number of the next node; so the last one with it counts.
    """
    sources = {}
    for thread in {step.thread for step in trace.steps}:
        for piece in trace.pieces(thread):
            number = piece.open[-1].details.get("Sequence number", -1)
            if number >= 0 and not any(span.name.startswith(BACKWARD) for span in piece.open):
                sources[number] = part_of(piece.open)
    return {number: name for number, name in sources.items() if name != ELSEWHERE}


def _device_seconds(trace: Trace, sources: dict[int, str]) -> dict[str, float]:
    """The GPU's time by part: that of a kernel goes to the part that launched it."""
    taken: dict[str, float] = defaultdict(float)
    seconds = {launch.call.details["correlation"]: launch.seconds for launch in trace.launches}
    for thread in {launch.call.thread for launch in trace.launches}:
        for piece in trace.pieces(thread):
            number = piece.open[-1].details.get("correlation")
            name = _owner(piece, sources)[0]
            # Only the thread of the backward pass has no part around it.
            name = "backward" if name == ELSEWHERE else name
            taken[name] += seconds.pop(number, 0.0) if number is not None else 0.0
    return taken
