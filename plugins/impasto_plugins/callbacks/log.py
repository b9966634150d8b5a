"""Every step's loss and terms as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import Field

import impasto


class Log:
    """Every step's loss and terms, one JSON object a line."""

    def __init__(
        self,
        file: Annotated[Path, Field(description="file to write; one that exists is replaced")],
        every: Annotated[int, Field(ge=1, description="steps between lines")] = 1,
    ) -> None:
        self.every = every
        try:
            self.file = file.open("w", encoding="utf-8")
        except OSError as error:
            raise impasto.SettingsError(f"log '{file}': {error.strerror or error}") from None

    @impasto.hookimpl
    def impasto_after_step(self, run: impasto.Run, step: impasto.Step) -> None:
        if step.number % self.every == 0 or step.number == run.total_steps:
            line = {
                "step": step.number,
                "stage": step.stage.number,
                "loss": step.loss,
                "terms": step.terms,
            }
            self.file.write(json.dumps(line) + "\n")
            self.file.flush()

    @impasto.hookimpl
    def impasto_after_run(self) -> None:
        self.file.close()

    @impasto.hookimpl
    def impasto_run_failed(self) -> None:
        self.file.close()


@impasto.hookimpl
def impasto_callbacks() -> Iterable[impasto.Offer]:
    return [impasto.Offer("log", Log)]
