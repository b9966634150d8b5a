"""``impasto bench``: the command line of the suites."""

from __future__ import annotations

import importlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from impasto.command.printing import say, say_json
from impasto.errors import ImpastoError, unknown
from impasto_profiling.pairs import DEMO, check_pairs

if TYPE_CHECKING:
    from impasto_profiling.bench.plan import Plan, Suite
    from impasto_profiling.bench.record import Report

SUITES = {
    "evaluation": "Loss and gradient, compared with the machine's matrix products.",
    "optimizers": "Evaluations that several ways take to the same loss.",
    "presets": "Cost of presets until they reach the loss that they ended with at first.",
    "notebook": "Time to the loss of the notebook's recipe. Takes an hour.",
    "pastiche": "Time to the loss of pastiche 1.6.0. Takes an hour.",
    "equal": "Losses after as many seconds as pastiche takes, and of the notebook's loop, compiled, too.",
    "startup": "From the command to the end of the first step.",
    "grid": "One grid, compared with a command for each picture. Takes ten minutes.",
    "memory": "Peak memory of whole runs.",
    "looks": "Seconds and memory of whole runs, preset by preset. Takes an hour.",
    "hooks": "What twenty callbacks that do nothing cost.",
    "gpu": "What only an NVIDIA card can tell: losses, bytes, memory, speed. Takes nine minutes.",
}
"""Each is the module of that name, with a line about it."""

PLOTS = (".png", ".svg", ".pdf")
"""Suffixes of the plots that can be drawn."""


def check_plot(
    context: click.Context, parameter: click.Parameter, path: Path | None
) -> Path | None:
    """Refuse, before hours of measuring, a plot that could not be written; a callback of click.

    Raises:
        click.BadParameter: a folder that is not there, or a suffix that is no picture's.
    """
    if path is not None and not path.parent.is_dir():
        raise click.BadParameter(f"folder '{path.parent}' does not exist")
    if path is not None and path.suffix.lower() not in PLOTS:
        raise click.BadParameter(f"'{path}' must end in one of {', '.join(PLOTS)}")
    return path


@click.command()
@click.argument("suites", metavar="[SUITE]...", nargs=-1)
@click.option("--quick", is_flag=True, help="A few minutes in all: fewer rounds, steps and sizes.")
@click.option("--pair", "pairs", callback=check_pairs, multiple=True, metavar="CONTENT,STYLE",
              help="Two picture files; may be given several times. The default is the demo's.")  # fmt: skip
@click.option("--size", type=click.IntRange(16), metavar="N",
              help="Longer side in pixels, instead of each suite's own sizes.")  # fmt: skip
@click.option("--steps", type=click.IntRange(1), metavar="N",
              help="Steps of the recipe or of pastiche, instead of each suite's own number.")  # fmt: skip
@click.option("--rounds", type=click.IntRange(1), metavar="N",
              help="Samples of each, instead of each suite's own number.")  # fmt: skip
@click.option("--compile", "compiled", is_flag=True,
              help="Measure the objective compiled as well as eager, in the suite evaluation.")  # fmt: skip
@click.option("--plot", type=click.Path(path_type=Path), callback=check_plot, metavar="FILE.png",
              help="Draw loss against cost in the suite presets, a file for each preset.")  # fmt: skip
@click.option("-o", "--output", metavar="FILE.json", help="Write the record.")
@click.option("--force", is_flag=True, help="Overwrite the record if it exists.")
@click.option("--json", "as_json", is_flag=True, help="Print the record instead of a table.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print the table as Markdown.")
def bench(
    suites: tuple[str, ...],
    quick: bool,
    pairs: tuple[tuple[str, str], ...],
    size: int | None,
    steps: int | None,
    rounds: int | None,
    compiled: bool,
    plot: Path | None,
    output: str | None,
    force: bool,
    as_json: bool,
    as_markdown: bool,
) -> None:
    """Measure speed and memory, compared with the machine's limits and other programs.

    SUITE is one of evaluation, optimizers, presets, notebook, pastiche, equal, startup, grid, memory,
    looks, hooks and gpu, or all but gpu; without any they are listed. All take hours, since other
    programs get the time they need. Run nothing else meanwhile. All but gpu measure the processor, on
    which the others run.
    """
    if not suites:
        list_suites()
        return
    chosen = check_suites(suites)
    file = Path(output) if output is not None else None
    if file is not None:
        check_record(file, force)
    pictures = pairs or DEMO
    if "gpu" not in chosen:
        # What it is compared with runs on the processor: never a card against that.
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    # Imported here, since it brings torch, and errors above are shown without that wait.
    from impasto_profiling.bench.plan import Plan
    from impasto_profiling.bench.table import markdown, print_table

    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(
            pictures,
            quick,
            Path(folder),
            say_progress,
            compiled,
            size=size,
            steps=steps,
            rounds=rounds,
            plot=plot,
        )
        report, failed = measured(chosen, plan, file)
    if as_json:
        say_json(report.model_dump(), indent=2)
    elif as_markdown:
        say(markdown(report))
    else:
        print_table(report)
    if failed is not None:
        raise failed


def measured(
    chosen: tuple[str, ...], plan: Plan, file: Path | None
) -> tuple[Report, ImpastoError | None]:
    """Run the suites. The record is written after each comparison: nothing measured is lost.

    Returns:
        What was measured, and the error of the suite that ended it.

    Raises:
        ImpastoError: a suite cannot be run, and nothing was measured; it is named.
    """
    from impasto_profiling.bench.conditions import conditions
    from impasto_profiling.bench.machine import load_now, report

    began, load = datetime.now(UTC), load_now()
    made, under = report(plan.quick, began, load), conditions()
    for name in chosen:
        suite: Suite = importlib.import_module(f"impasto_profiling.bench.{name}").measure
        try:
            with named(name):
                for found in suite(plan):
                    comparison = found.model_copy(update={"conditions": under})
                    made = made.model_copy(update={"comparisons": [*made.comparisons, comparison]})
                    if file is not None:
                        file.write_text(made.model_dump_json(indent=2) + "\n", encoding="utf-8")
        except ImpastoError as error:
            if not made.comparisons:
                raise
            return made, error
    return made, None


@contextmanager
def named(suite: str) -> Iterator[None]:
    """Name the suite in an error that is meant for the user."""
    try:
        yield
    except ImpastoError as error:
        raise ImpastoError(f"suite {suite}: {error}") from error


def say_progress(line: str) -> None:
    """Show progress, on standard error."""
    say(f"impasto: {line}", err=True)


def list_suites() -> None:
    """Print what can be measured, and how to ask for it."""
    for name, line in SUITES.items():
        say(f"{name:<12}{line}")
    say("impasto bench SUITE … runs these, impasto bench all runs all (hours); --quick is shorter")


def check_suites(suites: tuple[str, ...]) -> tuple[str, ...]:
    """The suites to run; ``all`` stands for each of them.

    Raises:
        UsageError: one that is not known.
    """
    for name in suites:
        if name not in (*SUITES, "all"):
            raise click.UsageError(unknown("suite", name, [*SUITES, "all"]))
    if "gpu" in suites and len(suites) > 1:
        raise click.UsageError(
            "suite gpu measures a card and the others the processor: run it alone"
        )
    every = tuple(name for name in SUITES if name != "gpu")
    return every if "all" in suites else tuple(dict.fromkeys(suites))


def check_record(file: Path, force: bool) -> None:
    """Refuse, before hours of measuring, a record that could not be written.

    Raises:
        UsageError: a folder that is not there, or a file that is.
    """
    if not file.parent.is_dir():
        raise click.UsageError(f"folder '{file.parent}' does not exist")
    if file.is_dir() or (file.exists() and not force):
        raise click.UsageError(f"'{file}' exists; --force overwrites it")
