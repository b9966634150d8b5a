"""The state of a run: what was prepared stays; the stage that is being optimized changes."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy
import torch
from torch import Tensor

from impasto.errors import CheckpointError, SettingsError
from impasto.files.outputs import Outputs
from impasto.host.host import Host
from impasto.images.reading import Photo
from impasto.model.canvas import Canvas
from impasto.model.masks import Region
from impasto.model.objective import Objective
from impasto.optimization.changes import FINISH_STAGE, STYLE_WEIGHT, WEIGHT, Change
from impasto.optimization.ema import EMA
from impasto.optimization.guard import Guard
from impasto.optimization.result import Step
from impasto.optimization.schedule import Schedule, forget_losses, schedule_state
from impasto.optimization.stages import Stage, forget
from impasto.optimization.steering import Steering
from impasto.optimization.style_statistics import SavedStyleStatistics, StylePicture
from impasto.optimization.tolerance import has_settled, is_looked_at
from impasto.optimization.without_compiler import without_compiler
from impasto.settings.settings import Settings
from impasto.storage.safetensors_file import sum_of

logger = logging.getLogger("impasto")

MISFITS = (OverflowError, KeyError, IndexError, TypeError, ValueError, AttributeError, RuntimeError)
"""Errors that loading the state of another run raises."""


@dataclass(frozen=True)
class Prepared:
    """All that a run needs and does not change."""

    settings: Settings
    host: Host
    device: torch.device
    precision: torch.dtype
    """Precision of the network."""
    content: Photo | None
    """The content picture at its own size, with its alpha, profile and metadata, on the CPU; None for a
    texture, which has none."""
    styles: Sequence[StylePicture | SavedStyleStatistics]
    """One for each style of the settings."""
    regions: Sequence[Region]
    """Which styles paint where, masks at their own size."""
    initial_image: Tensor
    """(1, 3, H, W) sRGB in [0, 1], at the size of the first stage, on the CPU."""
    stages: Sequence[Stage]
    """From coarse to fine; a plain run has one."""
    objective: Objective
    evaluate: Callable[[Tensor], tuple[Tensor, Tensor]]
    """The objective, compiled where that was chosen."""
    generator: torch.Generator
    """Random number generator of the run, on the CPU."""
    checksums: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of each file that the run is made from, by its name in the settings; empty for a picture
    in memory."""
    folder: str = ""
    """Relative names in the settings count from there; empty is the working folder."""

    @property
    def compiled(self) -> bool:
        """Whether the objective is compiled."""
        return self.evaluate is not self.objective

    @cached_property
    def network_checksum(self) -> str:
        """SHA-256 of the network's weights, at the precision that they have in the run."""
        weights = self.objective.extractor.state_dict()
        return sum_of("", {name: tensor.detach().cpu() for name, tensor in weights.items()})


@dataclass
class StageState:
    """The stage that is being optimized: canvas, optimizer, and what watches them."""

    stage: Stage
    canvas: Canvas
    optimizer: torch.optim.Optimizer
    guard: Guard
    """Sends the canvas back to its best picture should the loss diverge."""
    schedule: Schedule | None = None
    """Changes the optimizer's learning rate; None keeps it."""
    ema: EMA | None = None
    """Average of the stage's pictures; None where the last one counts."""
    blank: Mapping[Any, Any] = field(default_factory=dict)
    """State of the optimizer as it was made."""
    content: Tensor | None = None
    """The content as the losses see it, (1, 3, H, W) sRGB in [0, 1] at the stage's size; where a run has
    none, what the stage began with."""

    @without_compiler()
    def forget(self) -> None:
        """Forget what was learned of the objective, since it becomes another one.

        Raises:
            ImpastoError: the loss had diverged again and again.
        """
        # Of a loss that had diverged before the change nothing would be known after it.
        self.guard.check(self.optimizer, self.schedule)
        forget(self.optimizer, self.blank)
        self.guard.forget()
        if self.schedule is not None:
            forget_losses(self.schedule)

    def picture(self) -> Tensor:
        """The picture so far, averaged if so asked: (1, 3, H, W) float32 sRGB in [0, 1]."""
        averaged = self.ema.picture() if self.ema is not None else None
        return self.canvas.picture() if averaged is None else averaged

    @without_compiler()
    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values from which :meth:`load_state_dict` goes on."""
        return {
            "canvas": dict(self.canvas.state_dict()),
            "optimizer": self.optimizer.state_dict(),
            "guard": self.guard.state_dict(),
            "schedule": schedule_state(vars(self.schedule)) if self.schedule else None,
            "ema": self.ema.state_dict() if self.ema else None,
        }

    @without_compiler()
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave.

        Raises:
            CheckpointError: it is the state of another run.
        """
        with _must_fit():
            self.canvas.load_state_dict(state["canvas"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.guard.load_state_dict(state["guard"])
            if self.schedule is not None:
                self.schedule.__dict__.update(schedule_state(state["schedule"]))
            if self.ema is not None:
                self.ema.load_state_dict(state["ema"], like=self.canvas.picture())


class Run:
    """A run: what was prepared, how far it came, and its stage. Plugins get it in every life-cycle hook."""

    def __init__(self, prepared: Prepared) -> None:
        self.prepared = prepared
        self.outputs = Outputs(force=prepared.settings.force, folder=prepared.folder)
        """The files that the command reads and writes; plugins claim there what they write."""
        self.step = 0
        """Steps done, over all stages."""
        self.current: StageState | None = None
        """The stage that is being optimized; None before the first."""
        self.between_steps = False
        """While a step changes the state it is neither the old one nor the new, and not to be saved."""
        self._random: Mapping[str, Tensor] = {}
        self.stopping: str | None = None
        """Reason to stop after this step; the loop reads it in one place."""
        self.seconds_before = 0.0
        """Time of the steps before the run was resumed."""
        self.steps_before = 0
        """Steps that were done before the run was resumed."""
        self.started = time.perf_counter()
        self.loss_tensors: list[Tensor] = []
        """Total loss of each step, on the device."""
        self.terms_tensors: list[Tensor] = []
        """Weighted terms of each step, (number of terms,), on the device."""
        self.last_step: Step | None = None
        self._resumed: Mapping[str, Any] | None = None
        self.ends: list[int] = []
        """Steps, over all stages, after which each complete stage ended, with or before its last one."""
        self.steering = Steering(self)

    @property
    def settings(self) -> Settings:
        """What the user asked for."""
        return self.prepared.settings

    @property
    def host(self) -> Host:
        """The plugins."""
        return self.prepared.host

    @property
    def device(self) -> torch.device:
        """Where the run computes."""
        return self.prepared.device

    @property
    def precision(self) -> torch.dtype:
        """Precision of the network."""
        return self.prepared.precision

    @property
    def stages(self) -> Sequence[Stage]:
        """All stages, from coarse to fine."""
        return self.prepared.stages

    @property
    def objective(self) -> Objective:
        """Extractor and losses as one module."""
        return self.prepared.objective

    @property
    def content(self) -> Tensor | None:
        """The content picture at its own size: (1, 3, H, W) sRGB in [0, 1], on the CPU; or None."""
        return self.prepared.content.image if self.prepared.content else None

    @property
    def style_pictures(self) -> list[Tensor]:
        """The style pictures at their own sizes, like ``content``; style files have none."""
        return [style.image for style in self.prepared.styles if isinstance(style, StylePicture)]

    @property
    def canvas(self) -> Canvas | None:
        """The canvas of the current stage; None before the first."""
        return self.current.canvas if self.current is not None else None

    @property
    def optimizer(self) -> torch.optim.Optimizer | None:
        """The optimizer of the current stage; None before the first."""
        return self.current.optimizer if self.current is not None else None

    @property
    def total_steps(self) -> int:
        """Steps of all stages, so far as is known: a stage may end early."""
        last = self.stages[-1]
        return self.steps_until(last) + last.steps

    @property
    def seconds(self) -> float:
        """Time of the steps so far, start-up and pauses left out."""
        now = self.steering.waiting_since or time.perf_counter()
        return self.seconds_before + now - self.started

    def steps_until(self, stage: Stage) -> int:
        """Steps of the stages before this one."""
        ends = self.ends[: stage.number]
        ahead = self.stages[len(ends) : stage.number]
        return (ends[-1] if ends else 0) + sum(before.steps for before in ahead)

    def done_in(self, stage: Stage) -> int:
        """Steps of a stage that are done, if those before it are complete."""
        return self.step - self.steps_until(stage)

    def is_over(self, stage: Stage) -> bool:
        """Whether the stage that is being optimized has no step ahead. May wait for the device."""
        done, tolerance = self.done_in(stage), self.settings.tolerance
        if done >= stage.steps or (done and self._is_finished()):
            return True
        # Losses of another objective say nothing.
        done = min(done, self.step - self._changed_at())
        if not tolerance or stage is self.stages[-1] or not is_looked_at(done):
            return False
        return has_settled(torch.stack(self.loss_tensors[-done:]).tolist(), tolerance)

    def _is_finished(self) -> bool:
        last = self.changes[-1:]
        return any((one.what, one.step) == (FINISH_STAGE, self.step) for one in last)

    def _changed_at(self) -> int:
        """Steps that were done when the objective was last changed; 0 if it never was."""
        of_it = (one.step for one in reversed(self.steering.changes) if one.what != FINISH_STAGE)
        return next(of_it, 0)

    def end(self, stage: Stage) -> None:
        """Record that a stage is complete; the first that is so before its last step is logged."""
        told = any(self.done_in(one) < one.steps for one in self.stages[: len(self.ends)])
        done = self.done_in(stage)
        if done < stage.steps and not told and not self._is_finished():
            logger.info(
                "stage %d of %d ended after %d of at most %d steps, since five steps lowered the loss by less"
                " than the tolerance, %g of it; so may those that follow (said once)",
                stage.number + 1, len(self.stages), done, stage.steps, self.settings.tolerance,
            )  # fmt: skip
        self.ends[stage.number :] = [self.step]

    def stages_ahead(self) -> Iterator[Stage]:
        """The stages that are not complete; one may have been begun before a resume, or a rewind."""
        number = 0
        while self.has_state_to_load or number < len(self.stages):
            number = self._resumed["stage"] if self._resumed else number
            yield self.stages[number]
            number += 1

    @property
    def has_state_to_load(self) -> bool:
        """Whether the stage that begins goes on from where it was, after a resume or a rewind."""
        return self._resumed is not None

    def stop(self, reason: str) -> None:
        """Ask the run to end after the current step; its result is kept and counts as complete."""
        self.stopping = self.stopping or reason
        self.steering.look_again()

    # Steering. All of it may be called by callbacks and by other threads; the loop does it between two steps.

    def pause(self) -> None:
        """Have the run wait before its next step.

        Raises:
            SettingsError: the run is over, is being stopped, or cannot be steered; so of all that follow.
        """
        self.steering.pause()

    def go_on(self) -> None:
        """End a pause."""
        self.steering.go_on()

    def one_step(self) -> None:
        """Take one step, and wait then."""
        self.steering.pause(1)

    @property
    def paused(self) -> bool:
        """Whether the run waits, or will before its next step."""
        return self.steering.is_paused

    @property
    def cannot_be_steered(self) -> str:
        """Why the run cannot be steered, in one line; empty if it can."""
        return self.steering.reason_against

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each term as it is now, by name."""
        return dict(self.steering.weights)

    @property
    def style_weights(self) -> list[float]:
        """The weight of each style of the settings as it is now; relative to one another."""
        return list(self.steering.style_weights)

    @property
    def changes(self) -> tuple[Change, ...]:
        """The changes that the run has taken, in order. A rewind takes those after its step back."""
        return tuple(self.steering.changes)

    def set_weight(self, term: str, value: float) -> None:
        """Change the weight of a term.

        Args:
            term: its name, as in ``objective.names``.
            value: 0 or more.

        Raises:
            SettingsError: no such term, or no such weight.
        """
        self.steering.ask(Change(self.step, WEIGHT, term, value))

    def set_style_weight(self, number: int, value: float) -> None:
        """Change the weight of a style relative to the others.

        Args:
            number: its place in the settings, from 0.
            value: 0 or more; not all of a region can be 0.

        Raises:
            SettingsError: no such style, no such weight, or the only style.
        """
        self.steering.ask(Change(self.step, STYLE_WEIGHT, number, value))

    def finish_stage(self) -> None:
        """End the stage that is being optimized, once a step of it is done; the next one begins."""
        self.steering.ask(Change(self.step, FINISH_STAGE))

    def keep_snapshots(self, megabytes: float, every: int | None = None) -> None:
        """From now on keep states to go back to, recent ones dense and old ones sparse.

        Args:
            megabytes: 10⁶ bytes; of all together, on the run's device. The largest that was asked for counts.
            every: steps between two; None keeps as many as take a fiftieth of the time.

        Raises:
            SettingsError: not above 0.
        """
        self.steering.keep_snapshots(megabytes, every)

    @property
    def snapshots(self) -> tuple[int, ...]:
        """Steps done before each state that is kept, in order; none unless they were asked for."""
        return self.steering.snapshots.steps if self.steering.snapshots else ()

    def rewind(self, step: int) -> None:
        """Go back to the latest snapshot at a step, or before it. Later steps and changes are as if not done.

        Args:
            step: number of steps, at most those that are done.

        Raises:
            SettingsError: there is no such snapshot.
        """
        self.steering.ask_to_rewind(step)

    def go_back(self, state: Mapping[str, Any]) -> None:
        """Go back to what :meth:`state_dict` gave without its history; the stage begins again."""
        step, seconds = int(state["step"]), self.seconds_before
        losses = torch.stack(self.loss_tensors[:step]) if step else torch.zeros(0)
        terms = self._all_terms()[:step]
        self.load_state_dict({**state, "asked": [], "losses": losses, "terms": terms})
        self.seconds_before = seconds

    def picture(self) -> Tensor:
        """The picture so far, averaged if so asked: (1, 3, H, W) float32 sRGB in [0, 1]."""
        return self.prepared.initial_image if self.current is None else self.current.picture()

    def losses(self) -> list[float]:
        """Total loss of each step so far. Waits for the device."""
        return torch.stack(self.loss_tensors).tolist() if self.loss_tensors else []

    def terms(self) -> numpy.ndarray[Any, Any]:
        """Weighted terms of each step so far, (steps, number of terms). Waits for the device."""
        return self._all_terms().cpu().double().numpy()

    def _all_terms(self) -> Tensor:
        if not self.terms_tensors:
            return torch.zeros(0, len(self.objective.names))
        return torch.stack(self.terms_tensors)

    def begin(self, state: StageState) -> None:
        """Make a stage the current one; after a resume it goes on from where it was."""
        self.current = state
        if self._resumed is not None:
            state.load_state_dict(self._resumed["current"])
            with _must_fit():
                set_random_state(self.prepared, self._resumed["random"])
                for name, kept in self._resumed["of_losses"].items():
                    self.objective.loss(name).load_state(kept)
            self._resumed = None
        self.mark_between_steps()

    def mark_between_steps(self) -> None:
        """Say that no step is changing the state; keep the random state, which a step that fails advances."""
        self.between_steps = True
        self._random = random_state(self.prepared)

    def state_dict(self, *, history: bool = True) -> dict[str, Any]:
        """All that a run needs to go on after the step that it has done; between two steps of a stage.

        Args:
            history: whether losses and terms of the steps are in it.
        """
        assert self.current is not None
        losses = torch.stack(self.loss_tensors) if self.loss_tensors else torch.zeros(0)
        of_steps = {"losses": losses, "terms": self._all_terms()} if history else {}
        return {
            "stage": self.current.stage.number,
            "step": self.step,
            "ends": list(self.ends),
            "seconds": self.seconds,
            "stopping": self.stopping,
            "changes": [change.as_list() for change in self.changes],
            "asked": [change.as_list() for change in self.steering.asked()],
            **of_steps,
            "current": self.current.state_dict(),
            "random": self._random,
            "of_losses": {
                name: state
                for name in self.objective.names
                if (state := self.objective.loss(name).state())
            },
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave: the numbers now, the stage when it begins.

        Raises:
            CheckpointError: it is the state of another run.
        """
        with _must_fit():
            stage = self.stages[state["stage"]]
            losses, terms = (state[name].to(self.device) for name in ("losses", "terms"))
            self.loss_tensors, self.terms_tensors = list(losses.unbind()), list(terms.unbind())
            self.step = self.steps_before = int(state["step"])
            self.ends = [int(end) for end in state["ends"]]
            rising = sorted({end for end in self.ends if 0 < end <= self.step})
            if self.ends != rising or not stage.number <= len(self.ends) <= stage.number + 1:
                raise ValueError("ends of stages")
            self.stopping = state["stopping"]
            self.seconds_before = float(state["seconds"])
            if not (len(losses) == self.step and 0 <= self.done_in(stage) <= stage.steps):
                raise ValueError("steps")
            if not (isinstance(self.stopping, str | None) and math.isfinite(self.seconds_before)):
                raise ValueError("reason to stop, or time")
            if terms.shape != (self.step, len(self.objective.names)):
                raise ValueError("terms")
            if self.step:
                names = self.objective.names
                self.last_step = Step(self.step, stage, names, losses[-1], terms[-1])
            else:
                self.last_step = None
            given, asked = list(state["changes"]), list(state["asked"])
        try:
            changes = self.steering.read([*given, *asked], self.step)
            self.steering.restore(changes[: len(given)], changes[len(given) :], stage)
        except SettingsError as error:
            raise CheckpointError(f"the checkpoint does not fit its run: {error}") from None
        self._resumed = state


def random_state(prepared: Prepared) -> dict[str, Tensor]:
    """The state of the run's random number generator."""
    return {"generator": prepared.generator.get_state()}


def set_random_state(prepared: Prepared, state: Mapping[str, Tensor]) -> None:
    """Restore the state of the run's random number generator."""
    prepared.generator.set_state(state["generator"])


@contextmanager
def _must_fit() -> Iterator[None]:
    try:
        yield
    except MISFITS as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"the checkpoint does not fit its run: {type(error).__name__}: {reason}"
        ) from None
