"""What is asked of CUDA, with its functions replaced: of the right device, and in the right order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from impasto.model import gpu
from impasto_profiling import ceiling
from impasto_profiling.bench.clock import timed_on

SECOND = torch.device("cuda:1")


class Calls(list[tuple[str, Any]]):
    """Names of what was called, with what it was given."""

    def answer(self, name: str, result: object = None) -> Callable[..., Any]:
        def called(*given: Any, **more: Any) -> object:
            self.append((name, given[0] if given else more or None))
            return result

        return called


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    calls = Calls()

    class Event:
        def __init__(self, **options: bool) -> None:
            self.options = options

        def record(self, stream: object = None) -> None:
            calls.append(("record", stream))

        def synchronize(self) -> None:
            calls.append(("event", None))

        def elapsed_time(self, other: object) -> float:
            assert self.options == {"enable_timing": True}
            return 1500.0

    for name, result in {
        "synchronize": None, "reset_peak_memory_stats": None, "max_memory_allocated": 5,
        "mem_get_info": (3, 8), "current_stream": "a stream",
    }.items():  # fmt: skip
        monkeypatch.setattr(torch.cuda, name, calls.answer(name, result))
    monkeypatch.setattr(torch.cuda, "Event", Event)
    return calls


def test_the_device_that_is_meant_is_asked(calls: Calls) -> None:
    gpu.synchronize(SECOND)
    gpu.forget_peak(SECOND)
    assert gpu.peak_bytes(SECOND) == 5
    assert gpu.free_bytes(SECOND) == 3
    assert calls == [
        (name, SECOND)
        for name in (
            "synchronize", "reset_peak_memory_stats", "max_memory_allocated", "mem_get_info"
        )
    ]  # fmt: skip


def test_of_a_processor_nothing_is_asked(calls: Calls) -> None:
    device = torch.device("cpu")
    gpu.synchronize(device)
    gpu.forget_peak(device)
    assert gpu.peak_bytes(device) is gpu.free_bytes(device) is None
    gpu.copies_done(device)()
    assert not calls


def test_apples_is_waited_for(monkeypatch: pytest.MonkeyPatch, calls: Calls) -> None:
    monkeypatch.setattr(torch.mps, "synchronize", calls.answer("mps"))
    gpu.synchronize(torch.device("mps"))
    assert calls == [("mps", None)]


def test_copies_are_waited_for_where_they_are_needed_alone(calls: Calls) -> None:
    wait = gpu.copies_done(SECOND)
    assert calls == [("current_stream", SECOND), ("record", "a stream")]
    wait()
    assert calls[-1] == ("event", None)


def test_a_copy_goes_to_pinned_memory_and_waits_for_nothing(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, like = torch.zeros(3), torch.empty_like
    pinned: list[object] = []

    def empty(tensor: torch.Tensor, *, device: str, pin_memory: bool) -> torch.Tensor:
        pinned.append((device, pin_memory))
        return like(tensor)

    copy = torch.Tensor.copy_

    def copied(into: torch.Tensor, of: torch.Tensor, non_blocking: bool = False) -> torch.Tensor:
        pinned.append(non_blocking)
        return copy(into, of)

    monkeypatch.setattr(gpu, "is_cuda", lambda device: True)
    monkeypatch.setattr(torch, "empty_like", empty)
    monkeypatch.setattr(torch.Tensor, "copy_", copied)
    found = gpu.copied_to_host(made)
    assert pinned == [("cpu", True), True]
    assert torch.equal(found, made)
    assert found.data_ptr() != made.data_ptr()
    assert not calls


def test_time_on_a_card_is_its_own_events(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    class Chosen:
        def __init__(self, device: torch.device) -> None:
            calls.append(("device", device))

        def __enter__(self) -> None: ...

        def __exit__(self, *error: object) -> None: ...

    monkeypatch.setattr(torch.cuda, "device", Chosen)
    assert timed_on(SECOND, calls.answer("work")) == 1.5
    assert [name for name, _ in calls] == ["device", "record", "work", "record", "event"]
    assert calls[0] == ("device", SECOND)


def test_the_ceiling_waits_for_the_device_that_it_measures(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[torch.device] = []
    monkeypatch.setattr(ceiling, "synchronize", asked.append)
    monkeypatch.setattr(ceiling, "COPIED", 64)
    ceiling.copy_rate(torch.device("cpu", 0))
    left = torch.ones(2, 2)
    ceiling.times(left, left, torch.empty(2, 2))
    assert len(asked) == 4 * (ceiling.REPEATS + 1)
    assert {device.type for device in asked} == {"cpu"}
    assert asked[0] == torch.device("cpu", 0)
