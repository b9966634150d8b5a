"""``impasto plugins``: every plugin with kind, name, origin, status and options."""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from impasto.builtin import build_host
from impasto.command.new_plugin import write_package
from impasto.errors import SettingsError, unknown
from impasto.host.host import Host, Offered
from impasto.settings.options import Option


@click.group(invoke_without_command=True)
@click.option("--plugin", multiple=True, metavar="FILE|MODULE", help="Plugin to load as well.")
@click.option("--load", default="all", metavar="all|none|NAMES", help="Installed plugins to load.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array on standard output.")
@click.pass_context
def plugins(ctx: click.Context, plugin: tuple[str, ...], load: str, as_json: bool) -> None:
    """List plugins with their options, or show one."""
    ctx.obj = build_host(load, plugin)
    if ctx.invoked_subcommand:
        return
    if as_json:
        click.echo(json.dumps(_records(ctx.obj), indent=2))
    else:
        _print_tables(ctx.obj)


@plugins.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array on standard output.")
@click.pass_obj
def show(host: Host, name: str, as_json: bool) -> None:
    """Show the plugin NAME in full, of every kind that has one of that name."""
    found = [item for item in host.offered if item.offer.name == name]
    if not found:
        raise SettingsError(unknown("plugin", name, {item.offer.name for item in host.offered}))
    if as_json:
        click.echo(json.dumps([_record(host, item) for item in found], indent=2))
        return
    for item in found:
        click.echo(f"{item.kind} {name}: {item.help}\n  from {item.origin}")
        for option in item.options:
            default = "must be given" if option.default is ... else f"[{_value(option.default)}]"
            click.echo(f"  {option.name} = {option.type}  {default}")
            if option.help:
                click.echo(f"      {option.help}")


@plugins.command()
@click.argument("kind")
@click.argument("name")
@click.option("-o", "--output", metavar="FOLDER", help="Folder of the package. [impasto-NAME]")
@click.pass_obj
def new(host: Host, kind: str, name: str, output: str | None) -> None:
    """Write a package with a new plugin to begin from.

    KIND is extractor, loss, optimizer, canvas or callback. The package has code, entry point, test
    and README; it installs with pip.
    """
    folder = Path(output or f"impasto-{name.replace('_', '-')}")
    for path in write_package(host, kind, name, folder):
        click.echo(path)
    click.echo(f"next: pip install {folder}, then impasto plugins show {name}", err=True)


def _print_tables(host: Host) -> None:
    table = Table(box=None, pad_edge=False)
    for heading in ("kind", "name", "from", "status", "options"):
        table.add_column(heading, overflow="fold")
    for item in host.offered:
        options = ", ".join(_short(option) for option in item.options)
        table.add_row(item.kind, item.offer.name, item.origin.source, _status(host, item), options)
    for origin in host.origins:
        if origin.error:
            table.add_row("-", origin.name, origin.source, f"failed: {origin.error}", "")
    Console(markup=False).print(table)


def _records(host: Host) -> list[dict[str, object]]:
    records = [_record(host, item) for item in host.offered]
    for origin in host.origins:
        if origin.error:
            failed = f"failed: {origin.error}"
            records.append({"name": origin.name, "origin": origin.source, "status": failed})
    return records


def _record(host: Host, item: Offered) -> dict[str, object]:
    return {
        "kind": item.kind,
        "name": item.offer.name,
        "help": item.help,
        "origin": item.origin.source,
        "plugin": item.origin.name,
        "status": _status(host, item),
        "options": [_option_record(option) for option in item.options],
    }


def _option_record(option: Option) -> dict[str, object]:
    record: dict[str, object] = {"name": option.name, "type": option.type, "help": option.help}
    if option.default is not ...:
        record["default"] = json.loads(json.dumps(option.default, default=str))
    return record


def _status(host: Host, item: Offered) -> str:
    same = [
        other
        for other in host.offered
        if (other.kind, other.offer.name) == (item.kind, item.offer.name) and other is not item
    ]
    return f"clashes with {same[0].origin}" if same else "loaded"


def _short(option: Option) -> str:
    return option.name if option.default is ... else f"{option.name}={_value(option.default)}"


def _value(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(_value(item) for item in value) or "none"
    return "none" if value is None else str(value)
