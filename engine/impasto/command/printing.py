"""What commands print. Text that comes from files and names may not steer the terminal: it passes here."""

from __future__ import annotations

import click

from impasto.errors import visible
from impasto.settings.plain_json import to_json


def say(text: str, *, err: bool = False) -> None:
    """Print lines of text, on standard output or standard error."""
    click.echo(visible(text, kept="\n"), err=err)


def say_json(value: object, indent: int | None = None) -> None:
    """Print a value as JSON on standard output; see :func:`impasto.settings.plain_json.to_json`."""
    click.echo(to_json(value, indent))
