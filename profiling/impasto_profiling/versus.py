"""Two reports side by side."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from impasto.command.safe_console import SafeConsole
from impasto_profiling.report import Report, StageReport


def print_comparison(this: Report, other: Report) -> None:
    """Print both runs' parts and layers, stage by stage, on standard error.

    Stages of the same number are compared. Times are of a step, with the profiler on.
    """
    console = SafeConsole(stderr=True, highlight=False)
    console.print(settings(this, other))
    others = {stage.stage: stage for stage in other.stages}
    for stage in this.stages:
        if stage.stage in others:
            console.print(compared(stage, others[stage.stage], this.name, other.name))
        else:
            console.print(f"stage {stage.stage} is not in '{other.name}'")


def settings(this: Report, other: Report) -> Table:
    """What both runs were, the same or not."""
    table = Table(box=None, pad_edge=False)
    for heading in ("", this.name, other.name):
        table.add_column(heading, overflow="fold")
    for name in ("device", "precision", "compiled", "extractor", "losses", "optimizer", "threads"):
        table.add_row(name, _text(getattr(this, name)), _text(getattr(other, name)))
    for name, unit in (("ceiling", "GFLOP/s"), ("peak_memory", "MiB")):
        values = (f"{getattr(one, name):.0f} {unit}" for one in (this, other))
        table.add_row(name.replace("_", " "), *values)
    return table


def compared(this: StageReport, other: StageReport, name: str, other_name: str) -> Table:
    """Milliseconds a step of each part, and rates of each layer; the ratio is this run by the other."""
    table = Table(
        title=f"stage {this.stage}, {this.width} × {this.height} and {other.width} × {other.height}",
        title_justify="left", box=None, pad_edge=False,
    )  # fmt: skip
    for place, heading in enumerate(("", name, other_name, "ratio")):
        table.add_column(heading, justify="right" if place else "left", overflow="fold")
    _rows(table, "ms a step", [("whole step", this.step * 1e3, other.step * 1e3)])
    mine, theirs = (
        {part.name: part.seconds / one.steps * 1e3 for part in one.parts} for one in (this, other)
    )
    _rows(table, "", [(part, mine.get(part), theirs.get(part)) for part in {**mine, **theirs}])
    rates, their_rates = ({one.layer: one.rate for one in stage.layers} for stage in (this, other))
    layers = {**rates, **their_rates}
    _rows(table, "GFLOP/s", [(one, rates.get(one), their_rates.get(one)) for one in layers])
    return table


def _rows(table: Table, unit: str, rows: Sequence[tuple[str, float | None, float | None]]) -> None:
    if unit:
        table.add_row(unit)
    for name, mine, theirs in rows:
        ratio = f"{mine / theirs:.2f}" if mine and theirs else ""
        table.add_row(
            f"  {name}", *("–" if x is None else f"{x:.2f}" for x in (mine, theirs)), ratio
        )


def _text(value: object) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)
