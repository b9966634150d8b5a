"""Reading a trace: figures from a small trace that was written by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from impasto_profiling.convolutions import Convolution
from impasto_profiling.cost import Cost
from impasto_profiling.memory import HeldTensor, Peak, peak_of
from impasto_profiling.operators import operators_of
from impasto_profiling.parts import parts_of
from impasto_profiling.roofline import achieved_by
from impasto_profiling.standing import MIB, Holder
from impasto_profiling.trace import Trace, read_trace

Event = dict[str, Any]
MAIN, ENGINE = 1, 2


def event(name: str, start: float, end: float, category: str = "cpu_op", thread: object = MAIN,
          **details: object) -> Event:  # fmt: skip
    """Times in milliseconds."""
    named = {key.replace("_", " "): value for key, value in details.items()}
    return {"ph": "X", "name": name, "cat": category, "tid": thread, "ts": start * 1e3,
            "dur": (end - start) * 1e3, "args": named}  # fmt: skip


def scope(name: str, start: float, end: float) -> Event:
    return event(name, start, end, "user_annotation")


def held(time: float, total: int, change: int, address: int) -> Event:
    details = {"Total Allocated": total * MIB, "Bytes": change * MIB, "Addr": address}
    return {"ph": "i", "name": "[memory]", "ts": time * 1e3, "args": details}


def convolution(start: float, end: float, channels: int) -> Event:
    return event("aten::conv2d", start, end, Input_Dims=[[1, 3, 4, 4], [channels, 3, 3, 3], [], []],
                 Sequence_number=int(start))  # fmt: skip


ONE_STEP = [
    # The hook that the profiler itself is called in lies across the beginning of a step.
    scope("plugin/profile/impasto_after_step", -5, 1),
    scope("ProfilerStep#3", 0, 100),
    scope("optimizer/adam", 2, 92),
    scope("Optimizer.step#Adam.step", 2, 91),
    scope("objective", 5, 40),
    scope("extractor/conv1_1", 10, 20),
    convolution(11, 19, 8),
    # It makes no node of the graph, and shows the number that the next one will get.
    event("aten::empty", 12, 13, Sequence_number=25),
    scope("loss/gram", 24, 34),
    event("aten::mm", 25, 33, Sequence_number=25),
    scope("backward", 40, 80),
    event("autograd::engine::evaluate_function: MmBackward0", 42, 52, Sequence_number=25),
    event("aten::mm", 43, 51),
    event("autograd::engine::evaluate_function: ConvolutionBackward0", 52, 78, Sequence_number=11),
    event("aten::convolution_backward", 54, 78,
          Input_Dims=[[1, 8, 4, 4], [1, 3, 4, 4], [8, 3, 3, 3]]),
    scope("plugin/mine/impasto_after_step", 93, 99),
    held(30, 5, 4, 1), held(43, 9, 4, 2), held(79, 1, -8, 2), held(150, 99, 98, 3),
]  # fmt: skip

CONV = Convolution("conv1_1", (1, 3, 4, 4), (8, 3, 3, 3), (1, 8, 4, 4))


def trace_of(events: list[Event], tmp_path: Path) -> Trace:
    path = tmp_path / "one.pt.trace.json"
    path.write_text(json.dumps({"traceEvents": events}), encoding="utf-8")
    return read_trace(path)


def test_each_moment_belongs_to_the_innermost_part(tmp_path: Path) -> None:
    parts = {one.name: one for one in parts_of(trace_of(ONE_STEP, tmp_path))}
    times = {name: (one.forward * 1e3, one.backward * 1e3) for name, one in parts.items()}
    assert {name: pytest.approx(both) for name, both in times.items()} == {
        "extractor/conv1_1": (10, 26),
        "optimizer/adam": (3 + 12, 0),
        "objective": (5 + 4 + 6, 0),
        "loss/gram": (10, 10),
        "backward": (0, 4),
        "plugin/mine/impasto_after_step": (6, 0),
        # The last millisecond of its hook, that is in this step.
        "plugin/profile/impasto_after_step": (1, 0),
        "elsewhere": (1 + 1 + 1, 0),
    }
    assert sum(one.seconds for one in parts.values()) == pytest.approx(0.1)


def test_what_recording_costs_is_taken_out_by_event(tmp_path: Path) -> None:
    trace = trace_of(ONE_STEP, tmp_path)
    plain = {one.name: one.seconds for one in parts_of(trace)}
    parts = {one.name: one for one in parts_of(trace, Cost(operator=1e-3, scope=2e-3))}
    # A scope of its own, conv2d and empty; in the backward pass a function of autograd and what it called.
    assert parts["extractor/conv1_1"].cost == pytest.approx(0.006)
    assert parts["loss/gram"].cost == pytest.approx(0.005)
    assert parts["plugin/profile/impasto_after_step"].cost == pytest.approx(0.0005), "half at most"
    for name, part in parts.items():
        assert part.seconds + part.cost == pytest.approx(plain[name])


def test_operators_have_their_own_time(tmp_path: Path) -> None:
    found = {one.name: one for one in operators_of(trace_of(ONE_STEP, tmp_path))}
    assert found["aten::mm"].seconds == pytest.approx(0.016)
    assert found["aten::mm"].calls == 2
    assert found["aten::conv2d"].seconds == pytest.approx(0.007), "without what it called"


def test_a_convolution_is_tied_to_its_layer_with_its_rate(tmp_path: Path) -> None:
    (found,) = achieved_by(trace_of(ONE_STEP, tmp_path), [CONV])
    assert found.layer == "conv1_1"
    assert [found.forward, found.backward] == pytest.approx([0.008, 0.024])
    flops = 2 * (2 * 8 * 16 * 27)
    assert found.rate == pytest.approx(flops / 0.032 / 1e9)


def test_of_winograds_convolution_its_own_products_count(tmp_path: Path) -> None:
    shapes = [[1, 3, 4, 4], [36, 3, 8], [8], []]
    products = [([1, 36, 36], [1, 36, 3]), ([36, 1, 3], [36, 3, 8]), ([1, 16, 36], [1, 36, 8])]
    events = [
        scope("ProfilerStep#1", 0, 100),
        event("impasto::winograd", 10, 50, Input_Dims=shapes),
    ]
    events += [
        event("aten::bmm", 12 + 10 * place, 20 + 10 * place, Input_Dims=[*both])
        for place, both in enumerate(products)
    ]
    (found,) = achieved_by(trace_of(events, tmp_path), [CONV])
    computed = 2 * (36 * 36 * 3 + 36 * 3 * 8 + 16 * 36 * 8)
    assert found.done_rate == pytest.approx(computed / 0.04 / 1e9)
    assert found.rate == pytest.approx(CONV.flops.forward / 0.04 / 1e9)


def test_layers_of_the_same_shapes_are_told_apart_by_their_order(tmp_path: Path) -> None:
    layers = [Convolution(name, CONV.input, CONV.weight, CONV.output) for name in "ab"]
    events = [scope("ProfilerStep#1", 0, 100)]
    # Two evaluations in one step.
    events += [convolution(start, start + 1 + start % 2, 8) for start in (10, 21, 30, 41)]
    found = achieved_by(trace_of(events, tmp_path), layers)
    assert {one.layer: pytest.approx(one.forward * 1e3) for one in found} == {"a": 2, "b": 4}


def test_a_convolution_that_cannot_be_told_is_left_out(tmp_path: Path) -> None:
    layers = [Convolution(name, CONV.input, CONV.weight, CONV.output) for name in "ab"]
    events = [scope("ProfilerStep#1", 0, 100), convolution(1, 2, 8)]
    assert achieved_by(trace_of(events, tmp_path), layers) == []


def test_memory_peaks_in_a_step_and_a_part(tmp_path: Path) -> None:
    trace = trace_of(ONE_STEP, tmp_path)
    holders = [
        Holder("loss/gram", 4, 1),
        Holder("loss/gram, gradient", 4, 1),
        Holder("earlier steps", 1, 1),
    ]
    largest = [HeldTensor(one.part, "aten::mm", 4) for one in holders[:2]]
    assert peak_of(trace) == Peak(
        9.0, "backward", "aten::mm", holders, [*largest, HeldTensor("earlier steps", "", 1)]
    )
    assert peak_of(trace_of(ONE_STEP[:-4], tmp_path)) is None


def test_the_gpus_time_belongs_to_the_part_that_launched(tmp_path: Path) -> None:
    events = [
        scope("ProfilerStep#1", 0, 100),
        scope("loss/gram", 10, 20),
        event("aten::mm", 11, 14, Sequence_number=7),
        event("cudaLaunchKernel", 12, 13, "cuda_runtime", correlation=1),
        scope("backward", 30, 60),
        # The backward pass runs in a thread of its own.
        event("autograd::engine::evaluate_function: MmBackward0", 31, 35, thread=ENGINE,
              Sequence_number=7),
        event("cudaLaunchKernel", 32, 33, "cuda_runtime", ENGINE, correlation=2),
        event("cudaLaunchKernel", 50, 51, "cuda_runtime", ENGINE, correlation=3),
        event("gemm", 20, 45, "kernel", "stream 7", correlation=1),
        event("gemm", 45, 85, "kernel", "stream 7", correlation=2),
        event("fill", 85, 86, "kernel", "stream 7", correlation=3),
    ]  # fmt: skip
    parts = {one.name: one for one in parts_of(trace_of(events, tmp_path))}
    assert parts["loss/gram"].device == pytest.approx(0.065)
    assert parts["backward"].device == pytest.approx(0.001)
    assert sum(one.seconds for one in parts.values()) == pytest.approx(0.1)
