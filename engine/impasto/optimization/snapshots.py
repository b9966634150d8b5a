"""States of a run that it can go back to, within a budget of bytes: recent ones dense, old ones sparse."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from impasto.optimization.without_compiler import without_compiler

if TYPE_CHECKING:
    from impasto.optimization.steered import Steered

logger = logging.getLogger("impasto")

COST = 0.02
"""Part of a run's time that copying may take, unless the steps between snapshots are given."""


class Snapshot(NamedTuple):
    """The state of a run before one of its steps."""

    step: int
    stage: int
    state: Mapping[str, Any]
    """All but the losses of the steps before, which the run has."""
    size: int
    """Bytes of its tensors."""


class Snapshots:
    """The snapshots of one run."""

    def __init__(self, budget: int, every: int | None = None) -> None:
        """Begin with none.

        Args:
            budget: bytes of all together.
            every: steps between two; None keeps as many as take a fiftieth of the time.
        """
        self.budget, self.every = budget, every
        self.steps: tuple[int, ...] = ()
        """Steps done before each, in order; for other threads as well."""
        self._kept: list[Snapshot] = []
        self._next = 0.0
        self._told = False

    @without_compiler()
    def keep(self, run: Steered) -> None:
        """Keep the state as it is, between two steps of a stage, if it is time to.

        Args:
            run: whose state is whole.
        """
        assert run.current is not None
        stage = run.current.stage
        last = self._kept[-1] if self._kept else None
        if last is not None and (last.step, last.stage) == (run.step, stage.number):
            return
        if last is not None and run.done_in(stage) and not self._is_due(run.step - last.step):
            return
        began = time.perf_counter()
        state = copy.deepcopy(run.state_dict(history=False))
        size = sum(tensor.nbytes for tensor in _tensors_in(state))
        if last is not None and last.step == run.step:
            self._kept.pop()
        self._kept.append(Snapshot(run.step, stage.number, state, size))
        self._thin()
        now = time.perf_counter()
        self._next = now + (now - began) / COST
        self._say_steps()

    def _is_due(self, steps: int) -> bool:
        if self.every is not None:
            return steps >= self.every
        return time.perf_counter() >= self._next

    def _thin(self) -> None:
        """Remove those whose steps are missed the least, until all fit."""
        total = sum(snapshot.size for snapshot in self._kept)
        while total > self.budget and self._kept:
            place = self._least()
            if len(self._kept) <= 2 and not self._told:
                self._told = True
                logger.warning(
                    "snapshots: one takes %.3g MB, and %.3g MB are allowed for all",
                    self._kept[place].size / 1e6, self.budget / 1e6,
                )  # fmt: skip
            total -= self._kept.pop(place).size

    def _least(self) -> int:
        """The place of the one whose gap would be the smallest for its age. The first is kept the longest."""
        if len(self._kept) <= 2:
            return len(self._kept) - 1
        steps = [snapshot.step for snapshot in self._kept]
        return min(
            range(1, len(steps) - 1),
            key=lambda place: (
                (steps[place + 1] - steps[place - 1]) / (steps[-1] - steps[place - 1])
            ),
        )

    def go_back(self, step: int) -> Mapping[str, Any]:
        """The state of the latest at a step or before it, or of the first; those after it are forgotten.

        Args:
            step: steps done.
        """
        while len(self._kept) > 1 and self._kept[-1].step > step:
            self._kept.pop()
        self._say_steps()
        # What is loaded changes as the run goes on.
        state: Mapping[str, Any] = copy.deepcopy(self._kept[-1].state)
        return state

    def _say_steps(self) -> None:
        self.steps = tuple(snapshot.step for snapshot in self._kept)


def _tensors_in(state: object) -> Iterator[Tensor]:
    if torch.is_tensor(state):
        yield state
    elif isinstance(state, Mapping):
        for value in state.values():
            yield from _tensors_in(value)
    elif isinstance(state, list | tuple):
        for value in state:
            yield from _tensors_in(value)
