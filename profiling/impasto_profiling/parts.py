"""Whose time it was: each moment of a step goes to the innermost part that was at work."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from impasto_profiling.cost import Cost
from impasto_profiling.operators import Operator
from impasto_profiling.trace import LAUNCHING, STEP, Piece, Span, Trace

KINDS = ("extractor", "loss", "canvas", "optimizer", "plugin", "objective", "backward", "tile")
"""What the names of our scopes begin with; scopes of others count to the part that they lie in."""

ELSEWHERE = "elsewhere"
"""Time in a step and in no part: the loop's own."""
MOST_COST = 0.5
"""Fraction of a part's time that at most counts as the cost of recording it, which is an estimate."""
WAITING = "waiting"
"""Time in which the host waited for a GPU, whatever part made it wait."""

BACKWARD = "autograd::engine::evaluate_function"


@dataclass
class Part:
    """What a part took, in all recorded steps. What recording it cost is taken out."""

    name: str
    """As in the trace: ``extractor/conv3_1``, ``loss/gram``, ``plugin/NAME/HOOK``, ``backward`` …"""
    forward: float = 0.0
    """Seconds of its own, parts inside it left out."""
    backward: float = 0.0
    """Seconds of the gradients of what it computed."""
    device: float = 0.0
    """Seconds of the GPU for what it started; 0 on the CPU."""
    cost: float = 0.0
    """Seconds that recording took, taken out of the others."""
    steps: dict[str, float] = field(default_factory=dict)
    """Seconds in each step, by the step's name in the trace."""
    operators: dict[str, Operator] = field(default_factory=dict)
    """The operators in it, by name."""

    @property
    def seconds(self) -> float:
        """Seconds of the forward and the backward pass, by the clock."""
        return self.forward + self.backward


@dataclass(frozen=True)
class Moment:
    """A piece of a recorded step, and whose it was."""

    piece: Piece
    step: str
    part: str
    is_gradient: bool
    """Whether it was the part's gradient that was computed."""
    new: Sequence[Span]
    """Spans that were not open in any moment before."""

    @property
    def operator(self) -> Span | None:
        """The innermost operator."""
        operators = (span for span in reversed(self.piece.open) if span.category == "cpu_op")
        return next(operators, None)


# Parts, memory and timeline of one trace ask for them in turn.
@lru_cache(maxsize=1)
def moments_of(trace: Trace) -> list[Moment]:
    """The recorded steps, cut wherever something began or ended, in the thread that takes them.

    Gradients are tied to what they belong to by autograd's sequence numbers.
    """
    sources = _sources(trace)
    moments, seen = [], set[int]()
    for thread in {step.thread for step in trace.steps}:
        for piece in trace.pieces(thread):
            if not piece.in_a_step:
                continue
            step = next(span.name for span in piece.open if span.name.startswith(STEP))
            name, is_gradient = _owner(piece, sources)
            new = [span for span in piece.open if id(span) not in seen]
            seen.update(map(id, new))
            moments.append(Moment(piece, step, name, is_gradient, new))
    return moments


def parts_of(trace: Trace, cost: Cost | None = None) -> list[Part]:
    """The parts of the recorded steps, the most expensive first.

    Their seconds and costs add up to the steps'. On a GPU the backward pass has a thread of its own,
    while that of the steps waits in ``backward``.

    Args:
        trace: of the steps.
        cost: of recording, to be taken out; None takes out nothing.
    """
    parts: dict[str, Part] = {}
    for moment in moments_of(trace):
        _add(parts.setdefault(moment.part, Part(moment.part)), moment, cost or Cost())
    for part in parts.values():
        _take_out(part)
    for name, seconds in _device_seconds(trace, _sources(trace)).items():
        parts.setdefault(name, Part(name)).device += seconds
    return sorted(parts.values(), key=lambda part: -part.seconds)


def _add(part: Part, moment: Moment, cost: Cost) -> None:
    seconds = moment.piece.seconds
    part.backward += seconds * moment.is_gradient
    part.forward += seconds * (not moment.is_gradient)
    part.steps[moment.step] = part.steps.get(moment.step, 0.0) + seconds
    part.cost += sum(map(cost.of, moment.new))
    if moment.operator is not None:
        name = moment.operator.name
        operator = part.operators.setdefault(name, Operator(name))
        operator.seconds += seconds
    for span in moment.new:
        if span.category == "cpu_op":
            part.operators.setdefault(span.name, Operator(span.name)).calls += 1


def _take_out(part: Part) -> None:
    """Take the cost out of all that the part took, in proportion."""
    whole = part.seconds
    part.cost = min(part.cost, MOST_COST * whole)
    left = 1 - part.cost / whole if whole else 0.0
    part.forward *= left
    part.backward *= left
    part.steps = {step: seconds * left for step, seconds in part.steps.items()}
    for operator in part.operators.values():
        operator.seconds *= left


def part_of(going: Sequence[Span]) -> str:
    """The innermost part of what is going on."""
    names = (span.name for span in reversed(going) if span.category == "user_annotation")
    return next((name for name in names if name.split("/")[0] in KINDS), ELSEWHERE)


def _owner(piece: Piece, sources: dict[int, str]) -> tuple[str, bool]:
    """Name of the part, and whether its gradient was computed."""
    inner = piece.open[-1]
    if inner.category in LAUNCHING and "Synchronize" in inner.name:
        return WAITING, False
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
