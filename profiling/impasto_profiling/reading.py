"""From a stage's traces to its part of the report."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from math import prod

import torch

from impasto_profiling.convolutions import Convolution
from impasto_profiling.memory import Peak, peak_of
from impasto_profiling.operators import Operator, operators_of
from impasto_profiling.parts import Part, parts_of
from impasto_profiling.recording import Recording
from impasto_profiling.report import LayerRate, OperatorTime, PartTime, StageReport
from impasto_profiling.roofline import Achieved, achieved_by
from impasto_profiling.trace import Trace, read_trace

OPERATORS = 12
"""How many of the most expensive operators are kept."""


def stage_report(
    recording: Recording,
    convolutions: Sequence[Convolution],
    precision: torch.dtype,
    ceiling: float,
    compiled: bool,
) -> StageReport:
    """Read what was recorded of a stage.

    Args:
        recording: one that has a trace.
        convolutions: of the extractor at this stage's size.
        precision: of the network.
        ceiling: GFLOP/s of a matrix product in that precision.
        compiled: whether the objective was.
    """
    traces = [read_trace(path) for path in recording.traces]
    seconds = sum(trace.seconds for trace in traces)
    layers = [
        _rate(one, convolutions, seconds, precision, ceiling)
        for one in _layers(traces, convolutions)
    ]
    told = {one.layer for one in layers}
    return StageReport(
        stage=recording.stage.number,
        width=recording.stage.width,
        height=recording.stage.height,
        planned=recording.stage.steps,
        steps=sum(len(trace.steps) for trace in traces),
        seconds=seconds,
        usual_step=usual_step(recording),
        compiling=compiling(recording.clock) if compiled else None,
        parts=[_part(part, seconds) for part in _parts(traces)],
        operators=[_operator(one, seconds) for one in _operators(traces)[:OPERATORS]],
        layers=layers,
        untold=[
            layer for layer in dict.fromkeys(one.layer for one in convolutions) if layer not in told
        ],
        peak=_highest(peak_of(trace) for trace in traces),
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


def _parts(traces: Iterable[Trace]) -> list[Part]:
    total: dict[str, Part] = {}
    for part in (part for trace in traces for part in parts_of(trace)):
        whole = total.setdefault(part.name, Part(part.name))
        whole.forward += part.forward
        whole.backward += part.backward
        whole.device += part.device
    return sorted(total.values(), key=lambda part: -part.seconds)


def _operators(traces: Iterable[Trace]) -> list[Operator]:
    total: dict[str, Operator] = {}
    for one in (one for trace in traces for one in operators_of(trace)):
        whole = total.setdefault(one.name, Operator(one.name))
        whole.calls += one.calls
        whole.seconds += one.seconds
    return sorted(total.values(), key=lambda one: -one.seconds)


def _layers(traces: Iterable[Trace], convolutions: Sequence[Convolution]) -> list[Achieved]:
    total: dict[str, Achieved] = {}
    for one in (one for trace in traces for one in achieved_by(trace, convolutions)):
        whole = total.setdefault(one.layer, Achieved(one.layer))
        whole.forward += one.forward
        whole.backward += one.backward
        whole.forward_flops += one.forward_flops
        whole.backward_flops += one.backward_flops
    return list(total.values())


def _part(part: Part, seconds: float) -> PartTime:
    fraction = part.seconds / seconds
    return PartTime(part.name, part.seconds, fraction, part.forward, part.backward, part.device)


def _operator(one: Operator, seconds: float) -> OperatorTime:
    return OperatorTime(one.name, one.calls, one.seconds, one.seconds / seconds)


def _rate(
    one: Achieved,
    convolutions: Sequence[Convolution],
    seconds: float,
    precision: torch.dtype,
    ceiling: float,
) -> LayerRate:
    alike = [convolution for convolution in convolutions if convolution.layer == one.layer]
    moved = sum(map(prod, (s for c in alike for s in (c.input, c.weight, c.output))))
    return LayerRate(
        layer=one.layer,
        seconds=one.seconds,
        fraction=one.seconds / seconds,
        rate=one.rate,
        forward_rate=one.forward_flops / one.forward / 1e9 if one.forward else 0.0,
        backward_rate=one.backward_flops / one.backward / 1e9 if one.backward else 0.0,
        of_ceiling=one.rate / ceiling if ceiling else 0.0,
        intensity=sum(c.flops.forward for c in alike) / (moved * precision.itemsize),
    )


def _highest(peaks: Iterable[Peak | None]) -> Peak | None:
    known = [peak for peak in peaks if peak is not None]
    return max(known, key=lambda peak: peak.mebibytes) if known else None
