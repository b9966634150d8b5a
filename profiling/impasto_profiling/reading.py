"""From a stage's traces to its part of the report."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod

import torch

from impasto_profiling.convolutions import Convolution
from impasto_profiling.cost import Cost
from impasto_profiling.memory import Peak, peak_of
from impasto_profiling.operators import Operator, operators_of
from impasto_profiling.parts import Part, parts_of
from impasto_profiling.recording import Recording
from impasto_profiling.report import LayerRate, OperatorTime, PartTime, StageReport
from impasto_profiling.roofline import Achieved, achieved_by
from impasto_profiling.trace import STEP, Trace, read_trace

OPERATORS = 12
"""How many of the most expensive operators are kept."""
OF_A_PART = 8
"""How many of each part."""


@dataclass(frozen=True)
class Machine:
    """What the figures of a stage are held against."""

    precision: torch.dtype
    """Of the network."""
    ceiling: float
    """GFLOP/s of a matrix product in that precision."""
    compiled: bool
    """Whether the objective was."""
    cost: Cost
    """Of recording."""


def stage_report(
    recording: Recording, convolutions: Sequence[Convolution], machine: Machine
) -> StageReport:
    """Read what was recorded of a stage.

    Args:
        recording: one that has a trace.
        convolutions: of the extractor at this stage's size.
        machine: that it ran on.
    """
    traces = [read_trace(path) for path in recording.traces]
    parts = _parts(traces, machine.cost)
    cost = sum(part.cost for part in parts)
    seconds = sum(trace.seconds for trace in traces) - cost
    achieved = _layers(traces, convolutions, machine.cost)
    told = {one.layer for one in achieved}
    stage = recording.stage
    return StageReport(
        stage=stage.number,
        width=stage.width,
        height=stage.height,
        planned=stage.steps,
        steps=sum(len(trace.steps) for trace in traces),
        seconds=seconds,
        usual_step=usual_step(recording),
        compiling=compiling(recording.clock) if machine.compiled else None,
        parts=[_part(part, seconds) for part in parts],
        operators=[_operator(one, seconds) for one in _operators(traces, machine.cost)],
        layers=[_rate(one, convolutions, seconds, machine) for one in achieved],
        untold=list(dict.fromkeys(one.layer for one in convolutions if one.layer not in told)),
        peak=_highest(peak_of(trace) for trace in traces),
        cost=cost,
        times=_times(parts),
        standing=recording.standing,
    )


def usual_step(recording: Recording) -> float:
    """Seconds: the median of the steps that no profiler slowed down, the first left out."""
    plan = recording.plan
    cycle = plan.wait + plan.warmup + plan.active
    alone = [
        seconds
        for number, seconds in enumerate(recording.clock)
        if number and (number >= cycle * plan.repeat or number % cycle < plan.wait)
    ]
    return statistics.median(alone) if alone else 0.0


def compiling(clock: Sequence[float]) -> float | None:
    """Seconds that the first step took longer than the median of the others; None if there are none."""
    return max(0.0, clock[0] - statistics.median(clock[1:])) if len(clock) > 1 else None


def _parts(traces: Iterable[Trace], cost: Cost) -> list[Part]:
    total: dict[str, Part] = {}
    for part in (part for trace in traces for part in parts_of(trace, cost)):
        whole = total.setdefault(part.name, Part(part.name))
        whole.forward += part.forward
        whole.backward += part.backward
        whole.device += part.device
        whole.cost += part.cost
        whole.steps |= part.steps
        _sum_up(whole.operators, part.operators.values())
    return sorted(total.values(), key=lambda part: -part.seconds)


def _times(parts: Sequence[Part]) -> list[float]:
    """Seconds of each step."""
    steps = dict.fromkeys(step for part in parts for step in part.steps)
    return [sum(part.steps.get(step, 0.0) for part in parts) for step in sorted(steps, key=_number)]


def _number(step: str) -> int:
    return int(step.removeprefix(STEP))


def _operators(traces: Iterable[Trace], cost: Cost) -> list[Operator]:
    """The most expensive operators, whatever part called them."""
    total: dict[str, Operator] = {}
    for trace in traces:
        _sum_up(total, operators_of(trace))
    for one in total.values():
        one.seconds = max(0.0, one.seconds - one.calls * cost.operator)
    return _first(total.values(), OPERATORS)


def _sum_up(total: dict[str, Operator], more: Iterable[Operator]) -> None:
    for one in more:
        whole = total.setdefault(one.name, Operator(one.name))
        whole.calls += one.calls
        whole.seconds += one.seconds


def _first(operators: Iterable[Operator], most: int) -> list[Operator]:
    return sorted(operators, key=lambda one: -one.seconds)[:most]


def _layers(
    traces: Iterable[Trace], convolutions: Sequence[Convolution], cost: Cost
) -> list[Achieved]:
    total: dict[str, Achieved] = {}
    for one in (one for trace in traces for one in achieved_by(trace, convolutions, cost)):
        whole = total.setdefault(one.layer, Achieved(one.layer))
        whole.forward += one.forward
        whole.backward += one.backward
        whole.forward_flops += one.forward_flops
        whole.backward_flops += one.backward_flops
        whole.done_flops += one.done_flops
    return list(total.values())


def _part(part: Part, seconds: float) -> PartTime:
    inside = [_operator(one, seconds) for one in _first(part.operators.values(), OF_A_PART)]
    return PartTime(
        part.name, part.seconds, part.seconds / seconds, part.forward, part.backward, part.device,
        part.cost, [part.steps[step] for step in sorted(part.steps, key=_number)], inside,
    )  # fmt: skip


def _operator(one: Operator, seconds: float) -> OperatorTime:
    return OperatorTime(one.name, one.calls, one.seconds, one.seconds / seconds)


def _rate(
    one: Achieved,
    convolutions: Sequence[Convolution],
    seconds: float,
    machine: Machine,
) -> LayerRate:
    alike = [convolution for convolution in convolutions if convolution.layer == one.layer]
    moved = sum(map(prod, (s for c in alike for s in (c.input, c.weight, c.output))))
    computed = one.done_flops / (one.forward_flops + one.backward_flops)
    return LayerRate(
        layer=one.layer,
        seconds=one.seconds,
        fraction=one.seconds / seconds,
        rate=one.rate,
        forward_rate=one.forward_flops / one.forward / 1e9 if one.forward else 0.0,
        backward_rate=one.backward_flops / one.backward / 1e9 if one.backward else 0.0,
        of_ceiling=one.done_rate / machine.ceiling if machine.ceiling else 0.0,
        intensity=computed
        * sum(c.flops.forward for c in alike)
        / (moved * machine.precision.itemsize),
        done_rate=one.done_rate,
    )


def _highest(peaks: Iterable[Peak | None]) -> Peak | None:
    known = [peak for peak in peaks if peak is not None]
    return max(known, key=lambda peak: peak.mebibytes) if known else None
