"""A plugin that says on standard output when the first step is done; for processes that are timed."""

from __future__ import annotations

import sys

import impasto

SAID = "first step done"


@impasto.hookimpl
def impasto_after_step(step: impasto.Step) -> None:
    if step.number == 1:
        sys.stdout.write(f"{SAID}\n")
        sys.stdout.flush()
