"""Every step's loss and terms as JSON lines, or as CSV."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, TextIO

from pydantic import Field

import impasto

Format = Literal["json", "csv"]


class Log:
    """Every step's loss and terms, one JSON object or one row of CSV a line."""

    def __init__(
        self,
        file: Annotated[Path, Field(description="file to write")],
        every: Annotated[int, Field(ge=1, description="steps between lines")] = 1,
        format: Annotated[  # noqa: A002 - the word that users know.
            Format | None, Field(description="none goes by the suffix: .csv is CSV, others JSON")
        ] = None,
    ) -> None:
        self.path, self.every = file, every
        self.format = format or ("csv" if file.suffix.lower() == ".csv" else "json")
        self.file: TextIO | None = None
        self.written = 0
        """The step of the last line; a run that was taken back is before it."""

    @impasto.hookimpl
    def impasto_before_run(self, run: impasto.Run) -> None:
        self.path = run.outputs.claim(self.path, "callback 'log': file")

    @impasto.hookimpl
    def impasto_before_stage(self, run: impasto.Run) -> None:
        # Not before, since until then another may refuse the run, and an old log must stay.
        if self.file is None or run.step < self.written:
            self.close()
            self.open(run)

    def open(self, run: impasto.Run) -> None:
        """Write the log anew, with the lines of the steps that are done.

        Raises:
            OutputError: it cannot be written.
        """
        kept = self.lines_up_to(run.step) if run.step else []
        # Whole at every moment, so that a resumed run that is killed here loses no line.
        with (
            run.outputs.writing(self.path, grows=True) as part,
            part.open("w", encoding="utf-8", newline="") as file,
        ):
            if self.format == "csv":
                csv.writer(file).writerow(["step", "stage", "loss", *run.objective.names])
            file.writelines(kept)
        try:
            self.file = self.path.open("a", encoding="utf-8", newline="")
        except OSError as error:
            reason = error.strerror or error
            raise impasto.OutputError(f"callback 'log': file '{self.path}': {reason}") from None

    @impasto.hookimpl
    def impasto_after_step(self, run: impasto.Run, step: impasto.Step) -> None:
        if step.number % self.every == 0 or step.number == run.total_steps:
            self.write(step)

    @impasto.hookimpl
    def impasto_after_run(self) -> None:
        self.close()

    @impasto.hookimpl
    def impasto_run_failed(self) -> None:
        self.close()

    def write(self, step: impasto.Step) -> None:
        """Add a line; it is in the file at once, so that others can follow."""
        assert self.file is not None
        self.written = step.number
        stage, terms = step.stage.number, step.terms
        if self.format == "csv":
            row = [step.number, stage, step.loss, *terms.values()]
            csv.writer(self.file).writerow(row)
        else:
            finite = {name: _finite(value) for name, value in terms.items()}
            loss = _finite(step.loss)
            line = {"step": step.number, "stage": stage, "loss": loss, "terms": finite}
            self.file.write(impasto.to_json(line) + "\n")
        self.file.flush()

    def lines_up_to(self, step: int) -> list[str]:
        """Lines of a run that is resumed after this step; those behind it are done anew."""
        if not self.path.is_file():
            return []
        with self.path.open(encoding="utf-8", errors="replace", newline="") as file:
            whole = [line for line in file if line.endswith("\n")]
        return [line for line in whole if 0 < self.step_of(line) <= step]

    def step_of(self, line: str) -> int:
        """The step that a line is of; 0 for a heading, and for what is no line of a log."""
        try:
            return int(line.split(",")[0] if self.format == "csv" else json.loads(line)["step"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return 0

    def close(self) -> None:
        """Close the file, if it was opened."""
        if self.file is not None:
            self.file.close()


def _finite(value: float) -> float | None:
    """The number; None, which is null in JSON, for NaN and infinity, which JSON does not have."""
    return value if math.isfinite(value) else None


@impasto.hookimpl
def impasto_callbacks() -> Iterable[impasto.Offer]:
    return [impasto.Offer("log", Log)]
