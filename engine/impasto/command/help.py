"""Help of the commands that take all settings: short on one screen, long with ``--help-all``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

import click

from impasto.command.other_words import answer
from impasto.command.printing import say
from impasto.settings.groups import GROUPS
from impasto.settings.preset import read_preset
from impasto.settings.settings import Settings, validate

OWN = {
    "Look": {"preset": "Settings to start from; see impasto presets.", "config": ""},
    "Speed": {"processes": "", "dry_run": "Only say what it takes in memory and time."},
    "Saving": {
        "as_json": "Print one JSON record on standard output.",
        "quiet": "Print nothing but warnings and errors.",
        "verbose": "",
    },
    "Help": {"help": "", "help_all": ""},
}
"""Options that are not settings, in the form of :data:`impasto.settings.groups.GROUPS`."""

LONGEST_METAVAR, LONGEST_DEFAULT = 14, 12
"""Characters that the short help has room for."""

_ALL = "impasto.help_all"


class GroupedCommand(click.Command):
    """A command whose options are shown in groups, and that recognizes options of other programs."""

    preset: ClassVar[str] = "default"
    """Whose values the help has in brackets: that which is taken where none is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        known = {option for parameter in self.params for option in parameter.opts}
        if line := answer(args, known):
            raise click.UsageError(line, ctx)
        return super().parse_args(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        everything = bool(ctx.meta.get(_ALL))
        options = [one for one in self.get_params(ctx) if isinstance(one, click.Option)]
        for title, rows in _sections(options, everything, ctx, self.preset):
            with formatter.section(title):
                formatter.write_dl(rows)


def help_all(ctx: click.Context, option: click.Parameter, asked: bool) -> None:
    """Callback of ``--help-all``: the help with all options, then the end."""
    if asked:
        ctx.meta[_ALL] = True
        say(ctx.get_help())
        ctx.exit()


def groups() -> dict[str, dict[str, str]]:
    """The groups of settings with the other options in them: title, then name and short line."""
    shared = {title: {**OWN.get(title, {}), **lines} for title, lines in GROUPS.items()}
    shared["Look"] = {**OWN["Look"], **shared["Look"]}
    for title in ("Speed", "Saving"):
        shared[title] = {**GROUPS[title], **OWN[title]}
    return {**shared, "Help": OWN["Help"]}


def _sections(
    options: Sequence[click.Option], everything: bool, ctx: click.Context, preset: str
) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Titles with their rows; what is in no group belongs to this command alone, and is first."""
    by_name = {
        "help" if "--help" in option.opts else str(option.name): option for option in options
    }
    table = groups()
    grouped = {name for lines in table.values() for name in lines}
    own = [row for name, one in by_name.items() if name not in grouped for row in _row(one, ctx)]
    if own:
        yield f"Options of {ctx.info_name}", own
    values = default_values(preset)
    for title, lines in table.items():
        rows: list[tuple[str, str]] = []
        for name, line in lines.items():
            if name not in by_name or not (everything or line):
                continue
            value = values.get(name, "")
            brief = line + (value if len(value) <= LONGEST_DEFAULT else "")
            for term, text in _row(by_name[name], ctx):
                rows.append((term, text + value) if everything else (_short(term), brief))
        if rows:
            yield title, rows


def _row(option: click.Option, ctx: click.Context) -> Iterator[tuple[str, str]]:
    record = option.get_help_record(ctx)
    if record is not None:
        yield record


def _short(term: str) -> str:
    """An option with a short word for its value; the line of the short help says what is allowed."""
    names, _, metavar = term.rpartition(" --")[2].partition(" ")
    names = term.removesuffix(f" {metavar}")
    if not metavar or (len(metavar) <= LONGEST_METAVAR and " " not in metavar):
        return term
    return f"{names} {'N' if '≥' in metavar or '>' in metavar else 'NAME'}"


def default_values(preset: str) -> dict[str, str]:
    """The default of each setting, in brackets: its value in a preset."""
    nothing = {"content": "content", "style": "style"}
    settings = validate({**nothing, **read_preset(preset)})
    table = {name: getattr(settings, name) for name in Settings.__dataclass_fields__}
    return {
        name: f" [{_text(value)}]"
        for name, value in table.items()
        if name not in nothing and value not in (None, (), False, True, 0.0)
    }


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(_text(item) for item in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
