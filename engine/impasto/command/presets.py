"""``impasto presets``: named settings and what they set."""

from __future__ import annotations

from contextlib import suppress

import click

from impasto.command.printing import say, say_json
from impasto.errors import SettingsError
from impasto.settings.preset import presets as described
from impasto.settings.preset import user_presets
from impasto.settings.spec import Spec


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object on standard output.")
def presets(as_json: bool) -> None:
    """List the presets with what they set: those of Impasto and your own."""
    table = described()
    if as_json:
        say_json(table, indent=2)
        return
    for name, settings in table.items():
        say(f"{name}: {settings.pop('about')}")
        for key, value in settings.items():
            say(f"    {key} = {_text(value)}")
    say(f"impasto: your own presets are TOML files in '{user_presets()}'", err=True)


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(_text(item) for item in value)
    with suppress(SettingsError):
        return str(Spec.parse(value)) if isinstance(value, dict) else str(value)
    return str(value)
