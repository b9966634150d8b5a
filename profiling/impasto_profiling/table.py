"""The report in a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table

from impasto.command.safe_console import SafeConsole
from impasto_profiling.report import Report, StageReport

LEAST = 0.002
"""Fraction of a step under which a part is not shown by itself."""


def print_report(report: Report) -> None:
    """Print all stages and what was found, on standard error."""
    console = SafeConsole(stderr=True, highlight=False)
    compiled = "compiled" if report.compiled else "not compiled"
    console.print(
        f"\n{report.name}: {report.device}, {report.precision}, {compiled}; matrix product"
        f" {report.ceiling:.0f} GFLOP/s, copy {report.bandwidth:.0f} GB/s,"
        f" peak memory {report.peak_memory:.0f} MiB"
    )
    for stage in report.stages:
        for line in (heading(stage), parts(stage), operators(stage), layers(stage), *notes(stage)):
            console.print(line)
    for sentence in report.findings:
        console.print(sentence)


def heading(stage: StageReport) -> str:
    """Size and time of a step, and what recording cost."""
    usual = f"; {stage.usual_step:.3f} s without the profiler" if stage.usual_step else ""
    cost = f"{stage.cost / stage.steps * 1e3:.1f} ms of recording taken out"
    return (
        f"\nstage {stage.stage}, {stage.width} × {stage.height}: {stage.steps} of {stage.planned} steps"
        f" recorded, {stage.step:.3f} s each, {cost}{usual}"
    )


def parts(stage: StageReport) -> Table:
    """Each part's time in a step."""
    on_gpu = any(part.device for part in stage.parts)
    table = _table(
        "part", "of step", "ms a step", "forward", "backward", *["GPU ms"][: int(on_gpu)]
    )
    shown = [part for part in stage.parts if part.fraction >= LEAST]
    for part in shown:
        times = [part.seconds, part.forward, part.backward, *[part.device][: int(on_gpu)]]
        table.add_row(part.name, f"{part.fraction:.1%}", *(_ms(one, stage) for one in times))
    rest = stage.parts[len(shown) :]
    if rest:
        seconds = sum(part.seconds for part in rest)
        fraction = sum(part.fraction for part in rest)
        table.add_row(f"{len(rest)} more", f"{fraction:.1%}", _ms(seconds, stage))
    return table


def operators(stage: StageReport) -> Table:
    """The most expensive operators."""
    table = _table("operator", "of step", "ms a step", "calls a step")
    for one in stage.operators[:8]:
        calls = f"{one.calls / stage.steps:.0f}"
        table.add_row(one.name, f"{one.fraction:.1%}", _ms(one.seconds, stage), calls)
    return table


def layers(stage: StageReport) -> Table:
    """The roofline in words: each layer's rate by the machine's."""
    table = _table(
        *("convolution", "ms a step", "GFLOP/s", "of ceiling"),
        *("as direct", "forward", "backward"),
    )
    for one in stage.layers:
        rates = (
            f"{rate:.0f}" if rate else "?"
            for rate in (one.rate, one.forward_rate, one.backward_rate)
        )
        done = (f"{one.done_rate:.0f}", f"{one.of_ceiling:.0%}")
        row = (_ms(one.seconds, stage), *done, *rates)
        table.add_row(one.layer, *row)
    return table


def notes(stage: StageReport) -> Iterable[str]:
    """What cannot be told, what compiling cost, where memory peaked."""
    if any(part.name == "objective" for part in stage.parts) and stage.compiling is not None:
        yield "compiled: inside 'objective' parts cannot be told apart; convolutions are known by shape"
        yield f"compiling: the first step took {stage.compiling:.1f} s longer than the others"
    if stage.untold:
        yield f"not found in the trace, so not told: the convolutions of {', '.join(stage.untold)}"
    if stage.peak is not None:
        operator = f" ({stage.peak.operator})" if stage.peak.operator else ""
        yield (
            f"memory: at most {stage.peak.mebibytes:.1f} MiB allocated in the recorded steps, in"
            f" {stage.peak.part}{operator}"
        )


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for place, name in enumerate(headings):
        table.add_column(name, justify="right" if place else "left", overflow="fold")
    return table


def _ms(seconds: float, stage: StageReport) -> str:
    return f"{seconds / stage.steps * 1e3:.2f}"
