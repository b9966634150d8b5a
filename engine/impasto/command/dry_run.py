"""``impasto run --dry-run``: what a run would take, before it."""

from __future__ import annotations

from rich.table import Table

from impasto.command.printing import say, say_json
from impasto.command.safe_console import SafeConsole
from impasto.jobs.estimate import Estimate, estimate_settings
from impasto.optimization.memory import configure_malloc
from impasto.settings.settings import Settings


def foretell(settings: Settings, as_json: bool) -> None:
    """Print the estimate, as one JSON record or for people."""
    made = estimate_settings(settings, configure_malloc)
    if as_json:
        say_json(made.as_record())
    else:
        print_estimate(made)


def print_estimate(made: Estimate) -> None:
    """Print a table with a row for each stage, and what the whole run takes."""
    table = Table(box=None, pad_edge=False)
    for heading in ("stage", "pixels", "steps", "about"):
        table.add_column(heading, justify="right")
    for stage, seconds in zip(made.stages, made.seconds, strict=True):
        size = f"{stage.width} × {stage.height}"
        table.add_row(str(stage.number + 1), size, str(stage.steps), duration(seconds))
    SafeConsole().print(table)
    parts = ", ".join(f"{name} {size / 1e9:.2f}" for name, size in made.parts.items())
    say(f"memory {made.peak_bytes / 1e9:.2f} GB at its peak ({parts})")
    say(f"time about {duration(sum(made.seconds))} (from {made.trial})")
    compiled = "compiled" if made.compiled else "not compiled"
    say(f"device {made.device}, precision {made.precision}, {compiled}")


def duration(seconds: float) -> str:
    """Seconds or minutes, to the digits that a rough estimate has."""
    return f"{seconds:.2g} s" if seconds < 99.5 else f"{seconds / 60:.0f} min"
