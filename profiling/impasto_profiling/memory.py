"""What the recorded steps held in memory, by the part that took it, and where it was most."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from impasto_profiling.parts import ELSEWHERE, Moment, moments_of, part_of
from impasto_profiling.standing import MIB, Holder
from impasto_profiling.trace import Held, Span, Trace

BEFORE = "earlier steps"
"""Stands for the part of what was taken before the step began."""
LARGEST = 12
"""Tensors of the peak that are listed."""
POINTS = 400
"""Most points of a curve."""


@dataclass(frozen=True)
class HeldTensor:
    """One piece of memory at the peak."""

    part: str
    operator: str
    """That took it; empty if none did."""
    mebibytes: float


@dataclass(frozen=True)
class Peak:
    """The most that was held at once of what was allocated since the recording began."""

    mebibytes: float
    part: str
    """The part that was at work."""
    operator: str
    """The operator that was at work; empty if none was."""
    holders: list[Holder] = field(default_factory=list)
    """By the part that took it, the most first."""
    largest: list[HeldTensor] = field(default_factory=list)
    """The largest pieces, the largest first."""


@dataclass(frozen=True)
class Curve:
    """Memory over one step."""

    parts: list[str]
    """Those first that held the most at any time."""
    milliseconds: list[float]
    """Since the step began, where something was taken or given back."""
    mebibytes: list[list[float]]
    """For each point what each part held."""


@dataclass
class _Block:
    """A piece of memory that is held."""

    part: str
    operator: str
    bytes: int


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
    blocks = _held_at(trace, most.time)
    return Peak(
        most.bytes / MIB, part_of(going), operators[-1] if operators else "", _holders(blocks),
        [HeldTensor(one.part, one.operator, one.bytes / MIB) for one in blocks[:LARGEST]],
    )  # fmt: skip


def curve_of(trace: Trace, step: Span) -> Curve | None:
    """Memory over a step; None where it was not recorded. At most ``POINTS`` points, the peak among them."""
    owners, blocks, points = _Owners(trace), dict[int, _Block](), list[tuple[float, Counter[str]]]()
    total = _taken_before(trace)
    for held in trace.memory:
        if held.time > step.end:
            break
        owner = owners.at(held.time) if held.time >= step.start else (BEFORE, "")
        _follow(blocks, held, owner, total)
        if held.time >= step.start:
            points.append(((held.time - step.start) / 1e3, Counter(total)))
    if not points:
        return None
    kept = _thinned(points)
    most = Counter[str]()
    for _, each in kept:
        most |= each
    parts = [part for part, _ in most.most_common()]
    return Curve(
        parts, [round(time, 3) for time, _ in kept],
        [[round(held[part] / MIB, 4) for part in parts] for _, held in kept],
    )  # fmt: skip


def highest_step_of(trace: Trace) -> Span:
    """The recorded step with the peak, or any where memory was not recorded."""
    most = {
        step.start: max(
            (one.bytes for one in trace.memory if step.start <= one.time <= step.end), default=0
        )
        for step in trace.steps
    }
    return max(trace.steps, key=lambda step: most[step.start])


def _thinned(points: Sequence[tuple[float, Counter[str]]]) -> list[tuple[float, Counter[str]]]:
    """The highest of each few points in a row."""
    few = -(-len(points) // POINTS)
    groups = [points[start : start + few] for start in range(0, len(points), few)]
    return [max(group, key=lambda point: point[1].total()) for group in groups]


def _held_at(trace: Trace, time: float) -> list[_Block]:
    """What is held at a time, the largest first."""
    owners, blocks, total = _Owners(trace), dict[int, _Block](), _taken_before(trace)
    for held in trace.memory:
        if held.time > time:
            break
        _follow(blocks, held, owners.at(held.time), total)
    earlier = [_Block(BEFORE, "", total[BEFORE])] if total[BEFORE] > 0 else []
    return sorted([*blocks.values(), *earlier], key=lambda one: -one.bytes)


def _taken_before(trace: Trace) -> Counter[str]:
    """What the profiler counts, but was taken in steps that it threw away."""
    if not trace.memory:
        return Counter()
    first = trace.memory[0]
    return Counter({BEFORE: first.bytes - first.change})


def _follow(
    blocks: dict[int, _Block], held: Held, owner: tuple[str, str], total: Counter[str]
) -> None:
    """Take one event into account."""
    if held.change > 0:
        blocks[held.address] = _Block(*owner, held.change)
        total[owner[0]] += held.change
    elif (block := blocks.pop(held.address, None)) is not None:
        total[block.part] -= block.bytes
    else:
        total[BEFORE] += held.change


def _holders(blocks: Sequence[_Block]) -> list[Holder]:
    bytes_of, count = Counter[str](), Counter(block.part for block in blocks)
    for block in blocks:
        bytes_of[block.part] += block.bytes
    return [Holder(part, held / MIB, count[part]) for part, held in bytes_of.most_common()]


class _Owners:
    """Which part and operator were at work at a time."""

    def __init__(self, trace: Trace) -> None:
        self.moments: list[Moment] = sorted(moments_of(trace), key=lambda one: one.piece.start)
        self.starts = [moment.piece.start for moment in self.moments]

    def at(self, time: float) -> tuple[str, str]:
        """Name of the part, gradients told apart, and of the operator."""
        place = bisect_right(self.starts, time) - 1
        if place < 0:
            return ELSEWHERE, ""
        moment = self.moments[place]
        operator = moment.operator
        told = moment.is_gradient and moment.part != "backward"
        part = f"{moment.part}, gradient" if told else moment.part
        return part, operator.name if operator else ""
