"""Command-line options made from the settings: names, types and help are written once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import fields
from typing import Any, get_type_hints

import click
from click.shell_completion import CompletionItem

from impasto.command.help import help_all
from impasto.settings.options import describe
from impasto.settings.preset import preset_files
from impasto.settings.settings import Settings

SHORT = {"output": "-o"}
METAVARS = {
    "style": "STYLE",
    "output": "OUT",
    "extractor": "SPEC",
    "loss": "SPEC",
    "optimizer": "SPEC",
    "schedule": "SPEC",
    "canvas": "SPEC",
    "callback": "SPEC",
    "init": "INIT",
    "plugin": "FILE|MODULE",
    "load": "all|none|NAMES",
    "device": "NAME",
    "seed": "N|random",
    "checkpoint": "DIR",
    "max_memory": "8GB",
}
POSITIONAL = ("content",)
FILES = ("output", "style", "regions", "init", "plugin")
FOLDERS = ("checkpoint",)

Command = Callable[..., Any]


def settings_options(command: Command, without: Collection[str] = ()) -> Command:
    """Add one option for each setting, preset and file of settings.

    They pass on text or None; the settings check it.
    """
    options: list[Callable[[Command], Command]] = [*PRESET_AND_FILE, *_options(without), _help_all]
    for option in reversed(options):
        command = option(command)
    return command


def run_options(command: Command) -> Command:
    """Add what a run is asked for with: pictures, and one option for each setting."""
    command = settings_options(command)
    for argument in (
        click.argument("styles", metavar="[STYLE]...", nargs=-1, shell_complete=complete_file),
        click.argument("content", metavar="CONTENT", required=False, shell_complete=complete_file),
    ):
        command = argument(command)
    return command


def output_options(command: Command) -> Command:
    """Add the options for how much is printed: ``--quiet`` and ``--verbose``."""
    options: list[Callable[[Command], Command]] = [
        click.option(
            "-v", "--verbose", is_flag=True, expose_value=False, is_eager=True,
            callback=_say_more, help="Say also why device, precision and compile were chosen.",
        ),
        click.option("--quiet", is_flag=True, callback=_say_less,
                     help="Print nothing but warnings and errors."),
    ]  # fmt: skip
    for option in options:
        command = option(command)
    return command


def processes_option(command: Command) -> Command:
    """Add the option for how many processes paint a picture together."""
    option: Callable[[Command], Command] = click.option(
        "--processes", type=click.IntRange(1, 1024), default=1, metavar="N",
        help="Paint one picture by N processes, each some of its rows; see also torchrun. [1]",
    )  # fmt: skip
    return option(command)


def complete_file(
    ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Let the shell complete a file's name."""
    return [CompletionItem(incomplete, type="file")]


def complete_folder(
    ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Let the shell complete a folder's name."""
    return [CompletionItem(incomplete, type="dir")]


def _complete_preset(
    ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    names = [name for name in preset_files() if name.startswith(incomplete)]
    return [CompletionItem(name) for name in names] or complete_file(ctx, parameter, incomplete)


def _complete_one_of(values: str) -> Callable[..., list[CompletionItem]]:
    def complete(
        ctx: click.Context, parameter: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        known = values.split(" | ")
        return [CompletionItem(value) for value in known if value.startswith(incomplete)]

    return complete


def _say_more(ctx: click.Context, option: click.Parameter, asked: bool) -> None:
    if asked:
        logging.getLogger("impasto").setLevel(logging.DEBUG)


def _say_less(ctx: click.Context, option: click.Parameter, asked: bool) -> bool:
    if asked:
        logging.getLogger("impasto").setLevel(logging.WARNING)
    return asked


PRESET_AND_FILE = (
    click.option("--preset", metavar="NAME|FILE.toml", shell_complete=_complete_preset,
                 help="Settings to start from; see impasto presets."),
    click.option("--config", metavar="FILE.toml", shell_complete=complete_file,
                 help="File of settings; wins over the preset."),
)  # fmt: skip

_help_all = click.option(
    "--help-all", is_flag=True, is_eager=True, expose_value=False, callback=help_all,
    help="Show all options and exit.",
)  # fmt: skip


def _options(without: Collection[str]) -> list[Callable[[Command], Command]]:
    hints = get_type_hints(Settings, include_extras=True)
    names = [field.name for field in fields(Settings)]
    return [
        _option(name, describe(hints[name]))
        for name in names
        if name not in POSITIONAL and name not in without
    ]


def _option(name: str, kind: str) -> Callable[[Command], Command]:
    names = [f"--{name.replace('_', '-')}", *filter(None, [SHORT.get(name)])]
    help_text = " ".join((_info(name).description or "").split())
    if kind == "true | false":
        if _info(name).default is True:
            names = [f"{names[0]}/--no-{names[0].removeprefix('--')}"]
        return click.option(*names, is_flag=True, default=None, help=help_text)
    words = kind.replace(" | ", "|").replace("list of ", "").replace("whole number", "N")
    complete = complete_file if name in FILES else complete_folder if name in FOLDERS else None
    if complete is None and " | " in kind:
        complete = _complete_one_of(kind)
    return click.option(
        *names,
        multiple=kind in ("list of Spec", "list of Style", "list of text"),
        default=None,
        metavar=METAVARS.get(name, words),
        help=help_text,
        shell_complete=complete,
    )


def _info(name: str) -> Any:
    return Settings.__pydantic_fields__[name]  # type: ignore[attr-defined]
