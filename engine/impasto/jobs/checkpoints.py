"""When checkpoints are written: every so often, at the end of a stage, and when a run ends early."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from impasto.errors import CheckpointError
from impasto.files.outputs import OWN, Outputs
from impasto.host.offer import hookimpl
from impasto.jobs.background import Background
from impasto.jobs.signals import StopSignals
from impasto.optimization.provenance import machine_of
from impasto.optimization.state import Run
from impasto.storage.checkpoint import LOCK, NAME, Packed, check_folder, packed

logger = logging.getLogger("impasto")

MOST_OF_THE_TIME = 0.05
"""The largest part of a run's time that checkpoints every so many seconds may make it wait."""


class Checkpoints:
    """Observer of a run that writes its checkpoints.

    A state is whole only between two steps. So a signal waits for the step to end, unless it comes
    twice; and where a step fails after it began to change the state, the last checkpoint stays.
    """

    def __init__(self, folder: Path, every: float) -> None:
        """Make the folder.

        Args:
            folder: where to; made if it is not there.
            every: seconds between checkpoints, 0 or more; 0 writes one after each step. They are
                further apart where they would take more than ``MOST_OF_THE_TIME``.

        Raises:
            CheckpointError: the folder cannot be made.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CheckpointError(f"folder '{folder}': {error.strerror or error}") from None
        self.folder, self.every = folder.resolve(), every
        self.written = 0.0
        self.step = 1
        """Steps done in the one that was written last."""
        self.seconds = 0.0
        """That it made the run wait."""
        self.said = self.failing = False
        self.background = Background()
        self.signals: StopSignals | None = None
        """The signals, which wait for the end of a step."""

    def has_one(self) -> bool:
        """Whether there is a checkpoint in the folder."""
        return (self.folder / NAME).exists()

    def refuse_to_replace(self) -> None:
        """Refuse a folder that has a checkpoint already.

        Raises:
            CheckpointError: with what to do.
        """
        if self.has_one():
            raise CheckpointError(
                f"'{self.folder}' has a checkpoint already; resume it, or set force to start over",
                settings=("force",),
            )

    def claim(self, outputs: Outputs) -> None:
        """Register the files of the folder, so that nothing else is written over them.

        Raises:
            OutputError: one of them is an input, or another output.
        """
        for name in (NAME, LOCK, OWN):
            outputs.claim(self.folder / name, "checkpoint", replace=True)
        outputs.remember_in(self.folder)

    @hookimpl(trylast=True)
    def impasto_before_run(self, run: Run) -> None:
        check_folder(self.folder)
        self.inputs = identity_of(run)
        # Now, since the working folder may be moved or removed while the run goes on.
        self.started_in = os.path.abspath(run.prepared.folder)
        self.from_here = os.path.relpath(self.started_in, self.folder)

    @hookimpl(trylast=True)
    def impasto_before_stage(self, run: Run) -> None:
        # Other observers may have drawn.
        run.mark_between_steps()
        # After a rewind the one that is there is of steps that are as if not done.
        if run.step < self.step:
            self.write(run)

    @hookimpl(trylast=True)
    def impasto_after_step(self, run: Run) -> None:
        # Other observers may have drawn.
        run.mark_between_steps()
        if self.signals is not None:
            self.signals.stop_if_asked()
        if self.is_due():
            self.write(run)

    @hookimpl(trylast=True)
    def impasto_while_paused(self, run: Run) -> None:
        if self.signals is not None:
            self.signals.stop_if_asked()
        # Who pauses may leave, and be away for long.
        if run.step != self.step:
            self.write(run)

    @hookimpl(trylast=True)
    def impasto_after_stage(self, run: Run) -> None:
        self.write(run)

    @hookimpl(trylast=True)
    def impasto_after_run(self, run: Run) -> None:
        with self._told():
            self.background.finish()

    @hookimpl(trylast=True)
    def impasto_run_failed(self, run: Run) -> None:
        if run.between_steps:
            self.write(run)
        with self._told():
            self.background.finish()

    def is_due(self) -> bool:
        """Whether the time for the next one has come, and none is being written."""
        waited = time.monotonic() - self.written
        if not self.every:
            return True
        return (
            waited >= max(self.every, self.seconds / MOST_OF_THE_TIME) and not self.background.busy
        )

    def in_thread(self, run: Run) -> bool:
        """Whether the state is copied, and written in a thread while the run goes on.

        So for a card. A processor would have to hold the copy beside what a step takes, and has to do the
        writing itself.
        """
        return run.device.type != "cpu" and self.every > 0

    def write(self, run: Run) -> None:
        """Write a checkpoint; where that fails the one before stays, and the run goes on."""
        started = time.monotonic()
        with self._told():
            in_thread = self.in_thread(run)
            state = packed(self.state_of(run), run.device, copies=in_thread)
            if in_thread:
                self.background.start(partial(self._put, state))
            else:
                self._put(state)
        self.written, self.step = time.monotonic(), run.step
        self.seconds = self.written - started
        if (apart := self.seconds / MOST_OF_THE_TIME) > self.every > 0 and not self.said:
            line = "a checkpoint takes %.3g s here: they are %.3g s apart instead of %.3g"
            logger.info(line, self.seconds, apart, self.every)
            self.said = True

    def _put(self, state: Packed) -> None:
        state.write(self.folder)
        self.failing = False

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Say once that checkpoints fail; the run goes on."""
        try:
            yield
        except CheckpointError as error:
            if not self.failing:
                left = "the one before it stays" if self.has_one() else "there is none"
                logger.warning("%s; %s, and the run goes on", error, left)
            self.failing = True

    def state_of(self, run: Run) -> dict[str, object]:
        """The run's state, with what it takes to prepare the same run again."""
        return {
            "folder": self.started_in,
            "from_here": self.from_here,
            "settings": run.settings.as_table(),
            "machine": machine_of(run.prepared),
            "inputs": self.inputs,
            **run.state_dict(),
        }


def identity_of(run: Run) -> dict[str, str]:
    """Checksums of what a run is made from, by how an error names it."""
    inputs = {f"the input '{name}'": sha for name, sha in run.prepared.checksums.items()}
    return {**inputs, "the network": run.prepared.network_checksum}


def plugins_of(run: Run) -> set[str]:
    """How an error names the plugin files among the inputs of a run."""
    return {f"the input '{name}'" for name in run.settings.plugin}
