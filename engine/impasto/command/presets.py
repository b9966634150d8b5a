"""``impasto presets``: named settings and what they set."""

from __future__ import annotations

import json

import click

from impasto.settings import about_preset, preset_names, read_preset
from impasto.spec import Spec


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object on standard output.")
def presets(as_json: bool) -> None:
    """List presets with what they set."""
    table = {name: {"about": about_preset(name), **read_preset(name)} for name in preset_names()}
    if as_json:
        click.echo(json.dumps(table, indent=2))
        return
    for name, settings in table.items():
        click.echo(f"{name}: {settings.pop('about')}")
        for key, value in settings.items():
            click.echo(f"    {key} = {_text(value)}")


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(_text(item) for item in value)
    return str(Spec.parse(value)) if isinstance(value, dict) else str(value)
