"""``impasto profile``: a run that says where its time goes, and a verdict on two."""

from __future__ import annotations

import json
import shlex
import webbrowser
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from impasto.command.help import GroupedCommand
from impasto.command.options import complete_folder, output_options, run_options
from impasto.command.printing import say, say_json
from impasto.command.run import given_on_the_line, report
from impasto.errors import SettingsError
from impasto.files.names import default_output, longer
from impasto.settings.settings import Settings, documents_of, gather

if TYPE_CHECKING:
    from impasto_profiling.comparison import Comparison, Turns


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
@click.option("--compare", nargs=2, metavar="A B", shell_complete=complete_folder,
              help="Say whether B is faster than A: two folders of profiles, or two quoted groups of"
              " options, which are both profiled and take steps in turns.")  # fmt: skip
@click.option("--rounds", default=10, type=click.IntRange(1), metavar="N", show_default=True,
              help="Steps of each that --compare takes in turns.")  # fmt: skip
@click.option("--open", "opens", is_flag=True, help="Open the page in a browser.")
@click.option("--json", "as_json", is_flag=True, help="Print the report on standard output.")
@output_options
def profile(
    content: str | None,
    styles: tuple[str, ...],
    preset: str | None,
    config: str | None,
    compare: tuple[str, str] | None,
    opens: bool,
    as_json: bool,
    rounds: int,
    trace_dir: str | None,
    **given: Any,
) -> int:
    """Paint as impasto run does, and say where the time goes.

    Takes all options of impasto run. The folder --trace-dir gets report.html, a page to look at without
    network; the report as report.json; two plots; and a profile, curves and pictures for TensorBoard. The
    run goes on to its end: give few --steps where the picture does not matter.

    With --compare nothing is painted but for the comparison. The exit status is 0 where B is faster or no
    difference is seen, and 3 where B is slower.
    """
    asked = Asked(content, styles, preset, config, given)
    if compare is not None:
        found = comparison_of(asked, compare, rounds, trace_dir)
        return tell(found, opens, as_json)
    folder = profile_one(asked, trace_dir)
    if opens:
        open_page(folder / "report.html")
    if as_json:
        say_json(read_json(folder / "report.json"))
    return 0


RECORDING = {"wait": "wait", "warmup": "warmup", "active": "active", "repeat": "repeat",
             "memory": "profile_memory", "stacks": "with_stack"}  # fmt: skip
"""Options of the command, and what the callback calls them."""


@dataclass(frozen=True)
class Asked:
    """What a line asks for."""

    content: str | None
    styles: tuple[str, ...]
    preset: str | None
    config: str | None
    options: dict[str, Any]

    @property
    def settings(self) -> Settings:
        """The settings of the run."""
        own = {*RECORDING, "quiet"}
        given = {name: value for name, value in self.options.items() if name not in own}
        return gather(given_on_the_line(self.content, self.styles, given), self.preset, self.config)

    @property
    def recording(self) -> dict[str, object]:
        """The options of the callback ``profile``."""
        return {name: self.options[option] for option, name in RECORDING.items()}

    @property
    def documents(self) -> list[str]:
        """Files that the settings come from."""
        return documents_of(self.preset, self.config)

    def with_options(self, line: str) -> Asked:
        """The same with more options, which win: those of ``impasto profile`` that belong to a run.

        Raises:
            click.UsageError: the line cannot be read.
        """
        words = [*map(str, filter(None, [self.content])), *self.styles, *shlex.split(line)]
        context = profile.make_context("profile", words, resilient_parsing=False)
        more = {
            name: value
            for name, value in context.params.items()
            if context.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE
        }
        more.pop("content", None), more.pop("styles", None)
        preset, config = more.pop("preset", self.preset), more.pop("config", self.config)
        return Asked(self.content, self.styles, preset, config, {**self.options, **more})


def profile_one(asked: Asked, trace_dir: str | None) -> Path:
    """Paint and profile; the folder of the profile."""
    settings, quiet = asked.settings, asked.options["quiet"]
    settings = settings.with_output(default_output(settings.content, settings.style))
    assert settings.output is not None
    folder = Path(trace_dir or longer(settings.output.rpartition(".")[0], "_profile"))
    # Imported here, since they bring torch, and errors above are shown without that wait.
    from impasto.jobs.malloc import ConfigureMalloc
    from impasto.jobs.profile import profile_settings

    result, _ = profile_settings(
        settings if quiet else settings.observed_by("progress"),
        folder,
        asked.recording,
        observers=[ConfigureMalloc()],
        documents=asked.documents,
    )
    report(result, as_json=False, quiet=quiet)
    return folder


@dataclass(frozen=True)
class Compared:
    """A comparison that was written."""

    comparison: Comparison
    folder: Path


def comparison_of(
    asked: Asked, compare: tuple[str, str], rounds: int, trace_dir: str | None
) -> Compared:
    """Compare two profiles, or profile two runs and compare them; the page is written.

    Raises:
        SettingsError: they are neither two profiles nor two groups of options.
    """
    from impasto.files.outputs import Outputs
    from impasto_profiling.comparison import compared
    from impasto_profiling.page.comparison import claim_comparison, write_comparison
    from impasto_profiling.report import read_report

    are_options = [one.lstrip().startswith("-") for one in compare]
    if are_options[0] != are_options[1]:
        raise SettingsError(
            "compare takes two folders of profiles, or two quoted groups of options"
        )
    folder, outputs = Path(trace_dir or "comparison"), Outputs(force=bool(asked.options["force"]))
    if not any(are_options):
        first, second = (read_report(Path(one)) for one in compare)
        claim_comparison(folder, outputs)
        comparison = compared(first, second, compare)
    else:
        claim_comparison(folder, outputs)
        folders, turns = profile_both(asked, compare, rounds, folder)
        first, second = map(read_report, folders)
        comparison = compared(first, second, compare, turns)
    write_comparison(comparison, folder, outputs)
    return Compared(comparison, folder)


def profile_both(
    asked: Asked, compare: tuple[str, str], rounds: int, folder: Path
) -> tuple[list[Path], Turns]:
    """Profile two runs into the folders ``a`` and ``b``, and time steps of both in turns."""
    from impasto.jobs.malloc import ConfigureMalloc
    from impasto.jobs.profile import profile_settings
    from impasto_profiling.turns import take_turns

    both = [asked.with_options(line) for line in compare]
    settings = [one.settings for one in both]
    folders = [folder / name for name in ("a", "b")]
    for one, wanted, into, line in zip(both, settings, folders, compare, strict=True):
        say(f"profiling {line}", err=True)
        profile_settings(
            wanted, into, one.recording, observers=[ConfigureMalloc()], documents=one.documents
        )
    say(f"{rounds} steps of each in turns", err=True)
    return folders, take_turns(settings[0], settings[1], rounds, both[0].documents)


def tell(compared: Compared, opens: bool, as_json: bool) -> int:
    """Print a comparison; the exit status."""
    from impasto_profiling.comparison import SLOWER
    from impasto_profiling.page.comparison import FILE, PAGE
    from impasto_profiling.versus import print_comparison

    print_comparison(compared.comparison)
    say(f"the page to look at: '{compared.folder / PAGE}'", err=True)
    if opens:
        open_page(compared.folder / PAGE)
    if as_json:
        say_json(read_json(compared.folder / FILE))
    return SLOWER if compared.comparison.verdict == "slower" else 0


def open_page(page: Path) -> None:
    """Open a page in the browser that the system has set; a line says if there is none."""
    page = page.resolve()
    if not webbrowser.open(page.as_uri()):
        say(f"no browser was found; the page is '{page}'", err=True)


def read_json(file: Path) -> dict[str, object]:
    """A report as it was written."""
    table: dict[str, object] = json.loads(file.read_text(encoding="utf-8"))
    return table
