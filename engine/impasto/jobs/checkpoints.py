"""When checkpoints are written: every so often, at the end of a stage, and when a run ends early."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

from impasto.errors import CheckpointError
from impasto.files.outputs import OWN, Outputs
from impasto.host.offer import hookimpl
from impasto.jobs.signals import StopSignals
from impasto.optimization.provenance import machine_of
from impasto.optimization.state import Run
from impasto.storage.checkpoint import LOCK, NAME, check_folder, write_checkpoint

logger = logging.getLogger("impasto")


class Checkpoints:
    """Observer of a run that writes its checkpoints.

    A state is whole only between two steps. So a signal waits for the step to end, unless it comes
    twice; and where a step fails after it began to change the state, the last checkpoint stays.
    """

    def __init__(self, folder: Path, every: float) -> None:
        """Make the folder.

        Args:
            folder: where to; made if it is not there.
            every: seconds between checkpoints, 0 or more; 0 writes one after each step.

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
        self.failing = False
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
        if time.monotonic() - self.written >= self.every:
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
    def impasto_run_failed(self, run: Run) -> None:
        if run.between_steps:
            self.write(run)

    def write(self, run: Run) -> None:
        """Write a checkpoint; where that fails the one before stays, and the run goes on."""
        try:
            write_checkpoint(self.folder, self.state_of(run))
            self.failing = False
        except CheckpointError as error:
            if not self.failing:
                left = "the one before it stays" if self.has_one() else "there is none"
                logger.warning("%s; %s, and the run goes on", error, left)
            self.failing = True
        self.written, self.step = time.monotonic(), run.step

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
