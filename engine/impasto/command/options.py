"""Command-line options made from the settings: names, types, defaults and help are written once."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import fields
from typing import Any, get_type_hints

import click

from impasto.settings.options import describe
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
}
POSITIONAL = ("content",)

Command = Callable[..., Any]


def settings_options(command: Command, without: Collection[str] = ()) -> Command:
    """Add one option for each setting. They pass on text or None; the settings check it."""
    for option in reversed(_options(without)):
        command = option(command)
    return command


def run_options(command: Command) -> Command:
    """Add what a run is asked for with: two pictures, preset and file, and one option for each setting."""
    pictures_and_files = (
        click.argument("content", required=False),
        click.argument("painting", metavar="[STYLE]", required=False),
        click.option(
            "--preset",
            metavar="NAME|FILE.toml",
            help="Settings to start from; see impasto presets.",
        ),
        click.option(
            "--config", metavar="FILE.toml", help="File of settings; wins over the preset."
        ),
    )
    command = settings_options(command)
    for add in reversed(pictures_and_files):
        command = add(command)
    return command


def _options(without: Collection[str]) -> list[Callable[[Command], Command]]:
    hints = get_type_hints(Settings, include_extras=True)
    made: list[Callable[[Command], Command]] = []
    for field in fields(Settings):
        if field.name in POSITIONAL or field.name in without:
            continue
        names = [f"--{field.name.replace('_', '-')}", *filter(None, [SHORT.get(field.name)])]
        kind = describe(hints[field.name])
        help_text = " ".join((_help(field.name) + _default(field.name)).split())
        if kind == "true | false":
            if _info(field.name).default is True:
                names = [f"{names[0]}/--no-{names[0].removeprefix('--')}"]
            made.append(click.option(*names, is_flag=True, default=None, help=help_text))
            continue
        metavar = METAVARS.get(
            field.name,
            kind.replace(" | ", "|").replace("list of ", "").replace("whole number", "N"),
        )
        several = kind in ("list of Spec", "list of Style", "list of text")
        made.append(
            click.option(*names, multiple=several, default=None, metavar=metavar, help=help_text)
        )
    return made


def _help(name: str) -> str:
    return _info(name).description or ""


def _default(name: str) -> str:
    info = _info(name)
    if info.is_required():
        return ""
    default = info.get_default(call_default_factory=True, validated_data={})
    if default in (None, (), False, True):
        return ""
    several = isinstance(default, tuple)
    return f" [{', '.join(str(item) for item in default) if several else default}]"


def _info(name: str) -> Any:
    return Settings.__pydantic_fields__[name]  # type: ignore[attr-defined]
