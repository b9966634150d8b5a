"""A comparison in a terminal."""

from __future__ import annotations

from rich.table import Table

from impasto.command.safe_console import SafeConsole
from impasto_profiling.comparison import Comparison, PartChange, percent


def print_comparison(comparison: Comparison) -> None:
    """Print settings, parts, warnings and, last, the verdict, on standard error."""
    console = SafeConsole(stderr=True, highlight=False)
    console.print(f"A: {comparison.first}\nB: {comparison.second}")
    console.print(settings(comparison))
    console.print(parts(comparison))
    for warning in comparison.warnings:
        console.print(f"warning: {warning}")
    for sentence in reversed(comparison.sentences):
        console.print(sentence)


def settings(comparison: Comparison) -> Table:
    """What both runs were, the same or not."""
    table = Table(box=None, pad_edge=False)
    for heading in ("", "A", "B"):
        table.add_column(heading, overflow="fold")
    for row in comparison.settings:
        table.add_row(*row)
    return table


def parts(comparison: Comparison) -> Table:
    """Milliseconds a step of each part; B by A is the ratio."""
    table = Table(
        title=f"at {comparison.size}, ms a step", title_justify="left", box=None, pad_edge=False
    )
    headings = ("", "A", "B", "change", "B by A", "95 % interval", "")
    for place, heading in enumerate(headings):
        table.add_column(heading, justify="right" if place else "left", overflow="fold")
    for part in comparison.parts:
        table.add_row(*row(part))
    return table


def row(part: PartChange) -> list[str]:
    """A part in the table."""
    times = ("–" if one is None else f"{one:.2f}" for one in (part.first, part.second))
    ratio, between = "", ""
    if part.ratio is not None:
        ratio = percent(part.ratio.middle)
        if part.ratio.low is not None and part.ratio.high is not None:
            between = f"{percent(part.ratio.low)} to {percent(part.ratio.high)}"
    return [
        part.name,
        *times,
        f"{part.change:+.2f}",
        ratio,
        between,
        "changed" if part.changed else "",
    ]
