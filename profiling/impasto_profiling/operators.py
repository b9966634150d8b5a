"""The most expensive operators: time of their own, whatever part called them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from impasto_profiling.trace import Trace


@dataclass
class Operator:
    """What an operator took, in all recorded steps."""

    name: str
    calls: int = 0
    seconds: float = 0.0
    """Time spent in the operator itself, without the operators that it called."""


def operators_of(trace: Trace) -> list[Operator]:
    """The operators of the recorded steps, the most expensive first."""
    found: dict[str, Operator] = {}
    inside: dict[str, set[int]] = defaultdict(set)
    for thread in {span.thread for span in trace.spans if span.category == "cpu_op"}:
        for piece in trace.pieces(thread):
            ours = [span for span in piece.open if span.category == "cpu_op"]
            if not ours:
                continue
            operator = found.setdefault(ours[-1].name, Operator(ours[-1].name))
            operator.seconds += piece.seconds
            inside[operator.name].add(id(ours[-1]))
    for name, calls in inside.items():
        found[name].calls = len(calls)
    return sorted(found.values(), key=lambda one: -one.seconds)
