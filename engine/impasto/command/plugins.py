"""``impasto plugins``: every plugin with kind, name, origin, status and options."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from impasto.builtin import build_host
from impasto.command.new_plugin import write_package
from impasto.command.options import complete_file, complete_folder
from impasto.command.printing import say, say_json
from impasto.command.safe_console import SafeConsole
from impasto.errors import SettingsError, unknown
from impasto.host.host import Host
from impasto.host.records import record, records, status
from impasto.settings.options import Option


def plugin_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add which plugins are loaded besides the built-in ones."""
    for option in (
        click.option("--load", default="all", metavar="all|none|NAMES",
                     help="Installed plugins to load."),
        click.option("--plugin", multiple=True, metavar="FILE|MODULE",
                     shell_complete=complete_file, help="Plugin to load as well."),
    ):  # fmt: skip
        command = option(command)
    return command


@click.group(invoke_without_command=True)
@plugin_options
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array on standard output.")
@click.pass_context
def plugins(ctx: click.Context, plugin: tuple[str, ...], load: str, as_json: bool) -> None:
    """List plugins with their options, show one, or begin a new one."""
    ctx.obj = plugin
    if ctx.invoked_subcommand:
        return
    host = build_host(load, plugin)
    if as_json:
        say_json(records(host), indent=2)
    else:
        _print_tables(host)


@plugins.command()
@click.argument("name")
@plugin_options
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array on standard output.")
@click.pass_obj
def show(
    given: tuple[str, ...], name: str, plugin: tuple[str, ...], load: str, as_json: bool
) -> None:
    """Show the plugin NAME in full; where several kinds have that name, each of them."""
    host = build_host(load, (*given, *plugin))
    found = [item for item in host.offered if item.offer.name == name]
    if not found:
        raise SettingsError(unknown("plugin", name, {item.offer.name for item in host.offered}))
    if as_json:
        say_json([record(host, item) for item in found], indent=2)
        return
    for item in found:
        say(f"{item.kind} {name}: {item.help}\n  from {item.origin}")
        for option in item.options:
            default = "must be given" if option.default is ... else f"[{_value(option.default)}]"
            say(f"  {option.name} = {option.type}  {default}")
            if option.help:
                say(f"      {option.help}")


@plugins.command()
@click.argument("kind")
@click.argument("name")
@click.option("-o", "--output", metavar="FOLDER", shell_complete=complete_folder,
              help="Folder of the package. [impasto-NAME]")  # fmt: skip
@click.pass_obj
def new(given: tuple[str, ...], kind: str, name: str, output: str | None) -> None:
    """Write a package with a new plugin to begin from.

    KIND is extractor, loss, optimizer, canvas or callback. The package has code, entry point, test
    and README; it installs with pip.
    """
    folder = Path(output or f"impasto-{name.replace('_', '-')}")
    for path in write_package(build_host("all", given), kind, name, folder):
        say(str(path))
    say(f"next: pip install {place(folder)}\n      impasto plugins show {name}", err=True)


def place(folder: Path) -> str:
    """A folder as an argument of pip, which takes a name without a slash for that of a package.

    >>> place(Path("impasto-mine")), place(Path("/tmp/my plugin"))
    ('./impasto-mine', "'/tmp/my plugin'")
    """
    return shlex.quote(str(folder) if folder.is_absolute() else f"./{folder}")


def _print_tables(host: Host) -> None:
    table = Table(box=None, pad_edge=False)
    for heading in ("kind", "name", "from", "status", "options"):
        table.add_column(heading, overflow="fold")
    for item in host.offered:
        options = ", ".join(_short(option) for option in item.options)
        table.add_row(item.kind, item.offer.name, item.origin.source, status(host, item), options)
    for origin in host.origins:
        if origin.error:
            table.add_row("-", origin.name, origin.source, f"failed: {origin.error}", "")
    SafeConsole().print(table)


def _short(option: Option) -> str:
    return option.name if option.default is ... else f"{option.name}={_value(option.default)}"


def _value(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(_value(item) for item in value) or "none"
    return "none" if value is None else str(value)
