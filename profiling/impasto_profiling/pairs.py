"""Content and style pictures on the command line: ``--pair photo.jpg,painting.jpg``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from impasto.demo import CONTENT, STYLE

DEMO = ((str(CONTENT), str(STYLE)),)
"""The pair that is taken where none is given."""


def check_pairs(
    context: click.Context, parameter: click.Parameter, values: Sequence[str]
) -> tuple[tuple[str, str], ...]:
    """The files of each pair; a callback of click.

    Raises:
        click.BadParameter: not two files with a comma between, or one that is not there.
    """
    pairs = []
    for value in values:
        files = value.split(",")
        if len(files) != 2 or not all(files):
            raise click.BadParameter(f"'{value}' is not two files with a comma between")
        for file in files:
            if not Path(file).is_file():
                raise click.BadParameter(f"picture '{file}' does not exist")
        pairs.append((files[0], files[1]))
    return tuple(pairs)
