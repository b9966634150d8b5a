"""Time, rate and peak memory of each stage, as a table at the end and as JSON."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field
from rich.console import Console
from rich.table import Table

import impasto
from impasto.plugin import forget_peak, peak_bytes, precision_name, synchronize

MIB = 2**20


@dataclass(frozen=True)
class Spent:
    """Time and memory that a stage took."""

    stage: int
    """Counted from 0."""
    width: int
    """Width in pixels."""
    height: int
    """Height in pixels."""
    steps: int
    """Done in this run; those before a resume are left out."""
    seconds: float
    """Seconds of the steps, without making targets and canvas."""
    steps_per_second: float
    peak_memory: float
    """MiB: on a GPU what torch held at most during the stage; else the most that the process took since
    it began."""


class Statistics:
    """Time, steps a second and peak memory of each stage, as a table on standard error."""

    def __init__(
        self,
        file: Annotated[
            Path | None,
            Field(description="JSON file to write as well"),
        ] = None,
    ) -> None:
        self.path = file
        self.spent: list[Spent] = []
        self.stage: impasto.Stage | None = None

    @impasto.hookimpl
    def impasto_before_run(self, run: impasto.Run) -> None:
        if self.path is not None:
            self.path = run.outputs.claim(self.path, "callback 'statistics': file")

    @impasto.hookimpl
    def impasto_before_stage(self, run: impasto.Run, stage: impasto.Stage) -> None:
        # A run that was taken back begins a stage without having ended the one before.
        self.end_stage(run)
        forget_peak(run.device)
        self.stage, self.steps, self.started = stage, 0, run.seconds

    @impasto.hookimpl
    def impasto_after_step(self) -> None:
        self.steps += 1

    @impasto.hookimpl
    def impasto_after_stage(self, run: impasto.Run) -> None:
        self.end_stage(run)

    @impasto.hookimpl
    def impasto_after_run(self, run: impasto.Run) -> None:
        self.report(run)

    @impasto.hookimpl
    def impasto_run_failed(self, run: impasto.Run) -> None:
        self.end_stage(run)
        if self.spent:
            self.report(run)

    def end_stage(self, run: impasto.Run) -> None:
        """Record what the stage took so far."""
        stage, self.stage = self.stage, None
        if stage is None:
            return
        synchronize(run.device)
        seconds, steps = run.seconds - self.started, self.steps
        memory = peak_memory(run.device)
        # A run may be taken back at once.
        rate = steps / max(seconds, 1e-9)
        self.spent.append(
            Spent(stage.number, stage.width, stage.height, steps, seconds, rate, memory)
        )

    def report(self, run: impasto.Run) -> None:
        """Print the table, and write the file if one is named."""
        Console(stderr=True).print(table_of(self.spent))
        if self.path is None:
            return
        record = {
            "device": str(run.device),
            "precision": precision_name(run.precision),
            "steps": sum(one.steps for one in self.spent),
            "seconds": sum(one.seconds for one in self.spent),
            "peak_memory": max(one.peak_memory for one in self.spent),
            "stages": [asdict(one) for one in self.spent],
        }
        with run.outputs.writing(self.path) as part:
            part.write_text(impasto.to_json(record, indent=2) + "\n", encoding="utf-8")


def peak_memory(device: torch.device) -> float:
    """Peak memory in MiB; see :class:`Spent`."""
    on_card = peak_bytes(device)
    if on_card is not None:
        return on_card / MIB
    import resource  # Not on Windows, where this callback is left out.

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts in KiB, macOS in bytes.
    return most / MIB if sys.platform == "darwin" else most / 1024


def table_of(spent: Iterable[Spent]) -> Table:
    """One row a stage."""
    table = Table(box=None, pad_edge=False)
    for heading in ("stage", "pixels", "steps", "seconds", "steps/s", "peak MiB"):
        table.add_column(heading, justify="right")
    for one in spent:
        table.add_row(
            str(one.stage),
            f"{one.width} × {one.height}",
            str(one.steps),
            f"{one.seconds:.1f}",
            f"{one.steps_per_second:.2f}",
            f"{one.peak_memory:.0f}",
        )
    return table


@impasto.hookimpl
def impasto_callbacks() -> Iterable[impasto.Offer]:
    return [impasto.Offer("statistics", Statistics)]
