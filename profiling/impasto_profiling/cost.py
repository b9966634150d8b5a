"""What recording costs: seconds for each thing that the profiler writes down, measured by doing nothing else.

A step under the profiler is slower than one without. How much differs from part to part: a loss of many
small operations pays for each of them. So the cost is counted by event and taken out of each part's time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch.autograd.profiler import record_function

from impasto_profiling.recording import Plan
from impasto_profiling.trace import Span

EVENTS = 1000
"""Events of each kind that are timed at once."""
REPEATS = 5


@dataclass(frozen=True)
class Cost:
    """Seconds that the profiler takes for one event of each kind."""

    operator: float = 0.0
    """An operator, with its shapes; with its allocation where memory is recorded."""
    scope: float = 0.0
    """A named part."""
    call: float = 0.0
    """A Python function, where they are recorded."""

    def of(self, span: Span) -> float:
        """Seconds that it took to record this."""
        kinds = {
            "cpu_op": self.operator,
            "user_annotation": self.scope,
            "python_function": self.call,
        }
        return kinds.get(span.category, 0.0)


def measured_cost(plan: Plan) -> Cost:
    """The cost on this machine, now, of what the plan records.

    Args:
        plan: whether memory and Python functions are recorded counts.
    """
    number = torch.zeros(1)
    operator = _extra(plan, number.neg)
    # What a scope costs without a profiler is nothing: the engine then enters none.
    scope = _extra(plan, _enter, nothing=_pass)
    call = _extra(plan, _pass) if plan.with_stack else 0.0
    return Cost(operator, scope, call)


def _extra(
    plan: Plan, action: Callable[[], object], nothing: Callable[[], object] | None = None
) -> float:
    """Seconds that an action takes longer under the profiler than without; never less than 0."""
    with torch.no_grad():
        without = _seconds(nothing or action, nullcontext)
        under = _seconds(action, lambda: _profiler(plan))
    return max(0.0, under - without)


def _seconds(
    action: Callable[[], object], around: Callable[[], AbstractContextManager[object]]
) -> float:
    """The fastest of several repeats, of one action: what else runs on the machine only slows it down."""
    taken = []
    for _ in range(REPEATS):
        with around():
            started = time.perf_counter()
            for _ in range(EVENTS):
                action()
            taken.append(time.perf_counter() - started)
    return min(taken) / EVENTS


def _profiler(plan: Plan) -> AbstractContextManager[object]:
    return torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU],
        record_shapes=True,
        profile_memory=plan.profile_memory,
        with_stack=plan.with_stack,
    )


def _enter() -> None:
    with record_function("extractor/layer"):
        pass


def _pass() -> None:
    pass
