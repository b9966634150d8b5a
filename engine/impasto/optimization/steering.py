"""Steering: what is asked of a run while it paints, by callbacks and by other threads.

Requests wait in a queue, and the loop does them between two steps, where the state is whole. What changes
the picture is recorded with its step, so that it can be done again.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from impasto.errors import SettingsError, counted
from impasto.model.masks import Region
from impasto.optimization.changes import (
    FINISH_STAGE,
    STYLE_WEIGHT,
    WEIGHT,
    Change,
    checked,
    read_change,
)
from impasto.optimization.snapshots import Snapshots

if TYPE_CHECKING:
    from impasto.optimization.stages import Stage
    from impasto.optimization.steered import Steered

logger = logging.getLogger("impasto")

LOOK = 0.1
"""Seconds between two calls of the hooks while a run waits."""


class Request(NamedTuple):
    """What was asked for and is not done yet."""

    change: Change | None
    """None is a rewind."""
    number: int = 0
    """The step of a rewind; or the stage that is to be finished."""


class Steering:
    """The requests that wait, the changes that were taken, and whether the run is paused."""

    def __init__(self, run: Steered) -> None:
        """Begin with nothing asked for.

        Args:
            run: that is steered.
        """
        self.run = run
        self.changes: list[Change] = []
        """Those that were taken, in their order."""
        self.snapshots: Snapshots | None = None
        self.is_paused = False
        self.waiting_since: float | None = None
        """When the wait began that the run is in, by ``time.perf_counter``."""
        objective = run.objective
        self._first_weights = {name: objective.loss(name).weight for name in objective.names}
        self._first_style_weights = [style.weight for style in run.settings.style]
        self.weights = dict(self._first_weights)
        """Of each term, as they are now."""
        self.style_weights = list(self._first_style_weights)
        """Of each style, as they are now."""
        self._plan: list[Change] = []
        self._planned: deque[Change] = deque()
        self._asked: deque[Request] = deque()
        self._asked_style_weights = list(self.style_weights)
        self._steps_allowed = 0
        self._is_over = False
        self._came = threading.Condition()

    # What any thread may ask for.

    def ask(self, change: Change) -> None:
        """Have a change taken before the next step.

        Raises:
            SettingsError: it cannot be.
        """
        change = checked(change, self.run.objective.names, len(self.style_weights))
        with self._came:
            self._refuse()
            if change.what == STYLE_WEIGHT:
                asked = list(self._asked_style_weights)
                asked[change.style] = change.weight
                self.regions(asked)
                self._asked_style_weights = asked
            self._asked.append(Request(change, self._stage_now()))
            self._came.notify_all()

    def ask_to_rewind(self, step: int) -> None:
        """Have the run go back to the latest snapshot at a step, or before it.

        Raises:
            SettingsError: there is none.
        """
        with self._came:
            self._refuse()
            if self.snapshots is None:
                raise SettingsError(
                    "no snapshots are kept to go back to; run.keep_snapshots(megabytes) keeps them"
                )
            if isinstance(step, bool) or not isinstance(step, int) or step > self.run.step:
                done = counted(self.run.step, "step")
                raise SettingsError(f"cannot go back to step {step!r}: the run has done {done}")
            known = self.snapshots.steps
            if not known or step < known[0]:
                first = f"the first is of step {known[0]}" if known else "there is none yet"
                raise SettingsError(f"no snapshot of step {step} or before: {first}")
            self._asked.append(Request(None, step))
            self._came.notify_all()

    def keep_snapshots(self, megabytes: float, every: int | None) -> None:
        """Keep states to go back to; see :meth:`impasto.optimization.state.Run.keep_snapshots`.

        Raises:
            SettingsError: not above 0.
        """
        for what, value in (("megabytes", megabytes), ("every", every)):
            wrong = isinstance(value, bool) or not isinstance(value, int | float | None)
            if wrong or (value is not None and not 0 < value < math.inf):
                raise SettingsError(f"keep_snapshots: {what} must be above 0, not {value!r}")
        budget = int(megabytes * 1e6)
        with self._came:
            self._refuse()
            if self.snapshots is None:
                self.snapshots = Snapshots(budget, every)
            self.snapshots.budget = max(self.snapshots.budget, budget)

    def pause(self, steps: int = 0) -> None:
        """Have the run wait, after so many more steps.

        Raises:
            SettingsError: it cannot be steered.
        """
        with self._came:
            self._refuse()
            self.is_paused, self._steps_allowed = True, steps
            self._came.notify_all()

    def go_on(self) -> None:
        """End the pause, if there is one."""
        with self._came:
            self.is_paused, self._steps_allowed = False, 0
            self._came.notify_all()

    def look_again(self) -> None:
        """Let a run that waits see that it was stopped."""
        with self._came:
            self._came.notify_all()

    @property
    def reason_against(self) -> str:
        """Why the run cannot be steered; empty if it can."""
        if self._is_over:
            return "the run is over: it cannot be steered any more"
        if self.run.stopping:
            return f"the run is being stopped: {self.run.stopping}"
        if self.run.objective.ranks is not None:
            return "several processes paint this picture: their run cannot be steered"
        return ""

    def _refuse(self) -> None:
        if self.reason_against:
            raise SettingsError(self.reason_against)

    def _stage_now(self) -> int:
        return self.run.current.stage.number if self.run.current is not None else 0

    # What the loop does, in its own thread.

    def goes_on(self, stage: Stage) -> bool:
        """Do what was asked for, and wait while the run is paused; whether the stage has a step ahead.

        After a rewind it has none: another stage, or the same one, begins from the snapshot.
        """
        run = self.run
        while True:
            is_over = run.is_over(stage)
            if self.snapshots is not None and not is_over and not run.stopping:
                self.snapshots.keep(run)
            if self._take(is_over):
                if run.has_state_to_load:
                    return False
                continue
            if run.stopping or not self.is_paused or self._takes_a_step(is_over):
                return not run.stopping and not is_over
            self._wait()

    def _takes_a_step(self, is_over: bool) -> bool:
        """Whether a step is allowed in spite of the pause; where the stage is over, it is one of the next."""
        with self._came:
            allowed = self._steps_allowed > 0
            if not is_over:
                self._steps_allowed = max(0, self._steps_allowed - 1)
            return allowed

    def _wait(self) -> None:
        """Wait until something is asked for, but no longer than a moment; it is not time of the run."""
        self.waiting_since = time.perf_counter()
        try:
            self.run.host.notify("impasto_while_paused", run=self.run)
            with self._came:
                came = self._steps_allowed or self._asked or self.run.stopping
                if self.is_paused and not came:
                    self._came.wait(LOOK)
        finally:
            self.run.started += time.perf_counter() - self.waiting_since
            self.waiting_since = None

    def _take(self, is_over: bool) -> bool:
        """Do what was asked for, as far as it can be done now; whether anything was.

        Args:
            is_over: whether the stage has no step ahead: then changes wait for the next one.
        """
        if self._planned and not is_over and (planned := self._planned_now()):
            self._change(planned)
            return True
        if not self._asked or self.run.stopping:
            return False
        with self._came:
            asked = list(self._asked)
            rewinds = [place for place, one in enumerate(asked) if one.change is None]
            if rewinds:
                # What was asked for before it is taken back with the steps.
                self._asked = deque(asked[rewinds[-1] + 1 :])
                back_to = asked[rewinds[-1]].number
            else:
                ready = [] if is_over else self._ready(asked)
        if rewinds:
            self._rewind(back_to)
            return True
        self._change(ready)
        return bool(ready)

    def _planned_now(self) -> list[Change]:
        now: list[Change] = []
        while self._planned and self._planned[0].step <= self.run.step:
            if self._planned[0].what == FINISH_STAGE and not self._can_finish():
                break
            now.append(replace(self._planned.popleft(), step=self.run.step))
            if now[-1].what == FINISH_STAGE:
                break
        return now

    def _ready(self, asked: Sequence[Request]) -> list[Change]:
        """The changes to take now; the others are left in the queue."""
        ready: list[Change] = []
        left: list[Request] = []
        for one in asked:
            assert one.change is not None
            finishes = one.change.what == FINISH_STAGE
            if finishes and one.number != self._stage_now():
                continue
            ends = bool(ready) and ready[-1].what == FINISH_STAGE
            if ends or (finishes and not self._can_finish()):
                left.append(one)
            elif finishes or self._value_now(one.change) != one.change.value:
                ready.append(replace(one.change, step=self.run.step))
                self._count(one.change)
        self._asked = deque(left)
        return ready

    def _can_finish(self) -> bool:
        """Whether the stage has a step behind it: a picture that was only resized is none of it."""
        run = self.run
        return run.current is not None and run.done_in(run.current.stage) > 0

    def _value_now(self, change: Change) -> float:
        if change.what == WEIGHT:
            return self.weights[str(change.name)]
        return self.style_weights[change.style]

    def _change(self, changes: Sequence[Change]) -> None:
        """Take changes, and record them."""
        for change in changes:
            place = len(self.changes)
            while place and change.is_at_the_moment_of(self.changes[place - 1]):
                place -= 1
            of_step = [one for one in self.changes[place:] if not change.replaces(one)]
            self.changes[place:] = [*of_step, change]
            self._count(change)
        if any(change.what != FINISH_STAGE for change in changes):
            assert self.run.current is not None
            self.run.current.forget()
            self._set_weights(changes)

    def _count(self, change: Change) -> None:
        """Have a change in the weights as they are now."""
        if change.what == WEIGHT:
            self.weights[str(change.name)] = change.weight
        elif change.what == STYLE_WEIGHT:
            self.style_weights[change.style] = change.weight

    def _set_weights(self, changes: Sequence[Change]) -> None:
        """Give the objective the weights as they are now, of what was changed."""
        objective = self.run.objective
        for name in {str(change.name) for change in changes if change.what == WEIGHT}:
            objective.set_weight(name, self.weights[name])
        if any(change.what == STYLE_WEIGHT for change in changes):
            objective.set_style_weights(self.style_weights)

    def _rewind(self, step: int) -> None:
        assert self.snapshots is not None
        state = self.snapshots.go_back(step)
        self.run.go_back(state)
        behind = set(self.changes)
        self._planned = deque(one for one in self._plan if one not in behind)
        logger.info("back to step %d", self.run.step)

    def end(self) -> None:
        """Take no more requests: the run is over."""
        with self._came:
            self._is_over = True
            left = len(self._asked)
            self._asked.clear()
        if left:
            logger.info("%s came after the last step, and did nothing", counted(left, "request"))

    # Changes of documents.

    def read(self, lists: Iterable[object], steps: int) -> list[Change]:
        """Changes out of a document that may be damaged, checked for this run.

        Args:
            lists: one for each, as :meth:`impasto.optimization.changes.Change.as_list` gives it.
            steps: that the run had done when they were written.

        Raises:
            SettingsError: with the first that this run cannot take.
        """
        changes: list[Change] = []
        names, styles = self.run.objective.names, len(self.style_weights)
        for number, one in enumerate(lists, 1):
            first = changes[-1].step if changes else 0
            try:
                changes.append(read_change(one, names, styles, first, steps))
            except SettingsError as error:
                raise SettingsError(f"change {number}: {error}") from None
        weights = list(self._first_style_weights)
        for change, after in pairwise([*changes, None]):
            assert change is not None
            if change.what == STYLE_WEIGHT:
                weights[change.style] = change.weight
                if after is None or after.step > change.step:
                    self.regions(weights)
        return changes

    def plan(self, changes: Iterable[Change]) -> None:
        """Take changes when their steps come, as a run did before.

        Args:
            changes: checked, in order.
        """
        self._plan = list(changes)
        self._planned = deque(self._plan)

    def asked(self) -> list[Change]:
        """The changes that wait, as of the present step."""
        with self._came:
            waiting = list(self._asked)
        return [
            replace(one.change, step=self.run.step)
            for one in waiting
            if one.change is not None
            and (one.change.what != FINISH_STAGE or one.number == self._stage_now())
        ]

    def restore(self, changes: Sequence[Change], asked: Iterable[Change], stage: Stage) -> None:
        """Have these changes behind the run, and no others.

        Args:
            changes: checked, in order.
            asked: those that waited.
            stage: in which they did.
        """
        self.changes = list(changes)
        self.weights = dict(self._first_weights)
        self.style_weights = list(self._first_style_weights)
        for change in changes:
            self._count(change)
        with self._came:
            self._asked.extend(Request(change, stage.number) for change in asked)
            self._asked_style_weights = list(self.style_weights)
            for one in self._asked:
                if one.change is not None and one.change.what == STYLE_WEIGHT:
                    self._asked_style_weights[one.change.style] = one.change.weight
        for name, weight in self.weights.items():
            self.run.objective.set_weight(name, weight)

    def regions(self, style_weights: Sequence[float] | None = None) -> list[Region]:
        """The regions of the run, with weights of the styles.

        Args:
            style_weights: None takes them as they are now.

        Raises:
            SettingsError: a region would have no style.
        """
        regions = self.run.prepared.regions
        weights = self.style_weights if style_weights is None else style_weights
        if weights == self._first_style_weights:
            return list(regions)
        return [region.weighted(weights) for region in regions]
