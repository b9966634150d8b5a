"""The table for people, for a terminal or as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table

from impasto.command.safe_console import SafeConsole
from impasto_profiling.bench.record import Comparison, Figure, Report

HEADINGS = ("suite", "what", "Impasto", "compared with", "", "times better", "on")


def print_table(report: Report) -> None:
    """Print the table on standard output, with a line about the machine."""
    table = Table(box=None, pad_edge=False)
    # The last column is as wide as a terminal: what it says of all rows stands below them instead.
    for heading in HEADINGS[:-1]:
        table.add_column(heading, justify="left" if heading in HEADINGS[:2] else "right")
    for row in rows(report):
        table.add_row(*row[:-1])
    console = SafeConsole()
    console.print(table)
    for under in dict.fromkeys(str(one.conditions or "") for one in report.comparisons):
        console.print(f"each figure of Impasto on {under}", soft_wrap=True)
    console.print(about(report))


def markdown(report: Report) -> str:
    """The table as Markdown, with the line about the machine below."""
    lines = ["| " + " | ".join(HEADINGS) + " |", "|---|---|---:|---:|---|---:|---|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows(report)]
    return "\n".join([*lines, "", about(report)])


def rows(report: Report) -> Iterator[tuple[str, ...]]:
    """Cells of each comparison, wins and losses alike."""
    for one in report.comparisons:
        yield (
            one.suite,
            one.case,
            text(one.impasto, one.unit),
            "" if one.rival is None else text(one.rival, one.unit),
            "" if one.rival is None else one.rival.name,
            ahead(one),
            str(one.conditions or ""),
        )


def text(figure: Figure, unit: str) -> str:
    """Median, and from the lowest to the highest where there are several samples."""
    median = f"{number(figure.median)} {unit}"
    if len(figure.samples) == 1:
        return median
    return f"{median} ({number(figure.lowest)} to {number(figure.highest)})"


def number(value: float) -> str:
    """Three digits that matter, without an exponent."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:.{digits}f}"


def ahead(comparison: Comparison) -> str:
    """How many times better, or the fraction of a ceiling."""
    if comparison.times_better is None:
        return ""
    if comparison.rival is not None and comparison.rival.name.startswith("ceiling"):
        return f"{100 * comparison.times_better:.0f} %"
    return f"{number(comparison.times_better)} ×"


def about(report: Report) -> str:
    """Where and with what it was measured, in one line."""
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    kind = "quick run" if report.quick else "full run"
    return (
        f"{kind} on {report.machine.processor}, {report.machine.cores} cores, {report.machine.device},"
        f" {report.threads} threads; {versions}; commit {report.commit or 'unknown'};"
        f" load {report.machine.load:g} at the start; medians, with lowest and highest in brackets"
    )
