"""``impasto profile``: a run that says where its time goes."""

from __future__ import annotations

import json
import webbrowser
from pathlib import Path

import click

from impasto.command.help import GroupedCommand
from impasto.command.options import complete_folder, output_options, run_options
from impasto.command.printing import say, say_json
from impasto.command.run import given_on_the_line, report
from impasto.files.names import default_output, longer
from impasto.settings.settings import documents_of, gather


@click.command(cls=GroupedCommand)
@run_options
@click.option("--wait", default=1, type=click.IntRange(0), metavar="N", show_default=True,
              help="Steps of each stage to leave alone first.")  # fmt: skip
@click.option("--warmup", default=2, type=click.IntRange(0), metavar="N", show_default=True,
              help="Steps to record and throw away after that.")  # fmt: skip
@click.option("--active", default=5, type=click.IntRange(1), metavar="N", show_default=True,
              help="Steps to record after that.")  # fmt: skip
@click.option("--repeat", default=1, type=click.IntRange(1), metavar="N", show_default=True,
              help="How often to repeat that in each stage.")  # fmt: skip
@click.option("--trace-dir", metavar="DIR", shell_complete=complete_folder,
              help="Folder of the log; the default is made from the output's name.")  # fmt: skip
@click.option("--memory/--no-memory", default=True, show_default=True,
              help="Record allocations, and say who holds them where memory peaks.")  # fmt: skip
@click.option("--stacks", is_flag=True, help="Record Python functions in the trace, too.")
@click.option("--compare", "other", metavar="DIR", shell_complete=complete_folder,
              help="Folder of an earlier profile to compare with this one.")  # fmt: skip
@click.option("--open", "opens", is_flag=True, help="Open the page, report.html, in a browser.")
@click.option("--json", "as_json", is_flag=True, help="Print the report on standard output.")
@output_options
def profile(
    content: str | None,
    styles: tuple[str, ...],
    preset: str | None,
    config: str | None,
    trace_dir: str | None,
    other: str | None,
    opens: bool,
    as_json: bool,
    quiet: bool,
    wait: int,
    warmup: int,
    active: int,
    repeat: int,
    memory: bool,
    stacks: bool,
    **given: object,
) -> None:
    """Paint as impasto run does, and say where the time goes.

    Takes all options of impasto run. The folder --trace-dir gets report.html, a page to look at without
    network; the report as report.json; two plots; and a profile, curves and pictures for TensorBoard. The
    run goes on to its end: give few --steps where the picture does not matter.
    """
    settings = gather(given_on_the_line(content, styles, given), preset, config)
    settings = settings.with_output(default_output(settings.content, settings.style))
    assert settings.output is not None
    folder = Path(trace_dir or longer(settings.output.rpartition(".")[0], "_profile"))
    # Imported here, since they bring torch, and errors above are shown without that wait.
    from impasto.jobs.malloc import ConfigureMalloc
    from impasto.jobs.profile import profile_settings
    from impasto_profiling.report import read_report
    from impasto_profiling.versus import print_comparison

    compared = None if other is None else read_report(Path(other))
    options: dict[str, object] = {
        "wait": wait, "warmup": warmup, "active": active, "repeat": repeat,
        "profile_memory": memory, "with_stack": stacks,
    }  # fmt: skip
    documents = documents_of(preset, config)
    result, this = profile_settings(
        settings if quiet else settings.observed_by("progress"),
        folder,
        options,
        observers=[ConfigureMalloc()],
        documents=[*documents, *([str(report_file(Path(other)))] if other else [])],
    )
    report(result, as_json=False, quiet=quiet)
    if compared is not None:
        print_comparison(this, compared)
    if opens:
        open_page(folder)
    if as_json:
        say_json(record(folder, other))


def open_page(folder: Path) -> None:
    """Open the page of a profile in the browser that the system has set; a line says if there is none."""
    page = (folder / "report.html").resolve()
    if not webbrowser.open(page.as_uri()):
        say(f"no browser was found; the page is '{page}'", err=True)


def report_file(path: Path) -> Path:
    """The file of a report, given itself or the folder of its profile."""
    from impasto_profiling.report import FILE

    return path / FILE if path.is_dir() else path


def record(folder: Path, other: str | None) -> dict[str, object]:
    """The report as it was written, with the one that it is compared with."""

    def read(path: Path) -> dict[str, object]:
        table: dict[str, object] = json.loads(report_file(path).read_text(encoding="utf-8"))
        return table

    more = {} if other is None else {"compared_with": read(Path(other))}
    return {**read(folder), **more}
