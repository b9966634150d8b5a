"""``impasto show`` and ``impasto rerun``: the recipe in a picture, and its run once more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from impasto.command.options import complete_file, output_options
from impasto.command.printing import say, say_json
from impasto.command.run import report
from impasto.files.names import longer


@click.command()
@click.argument("result", shell_complete=complete_file)
@click.option("--json", "as_json", is_flag=True, help="Print the recipe as one JSON object.")
def show(result: str, as_json: bool) -> None:
    """Print how the picture RESULT was made: settings, inputs, versions and the losses reached."""
    from impasto.storage.recipe import read_recipe

    recipe = read_recipe(result)
    if as_json:
        say_json(recipe, indent=2)
        return
    for name, value in recipe.items():
        if isinstance(value, dict):
            say(f"{_text(name)}:")
            for key, item in value.items():
                say(f"    {_text(key)} = {_text(item)}")
        else:
            say(f"{_text(name)}: {_text(value)}")


@click.command()
@click.argument("result", shell_complete=complete_file)
@click.option("-o", "--output", metavar="OUT", shell_complete=complete_file,
              help="File to write; the default is RESULT_again.")  # fmt: skip
@click.option("--input", "found", multiple=True, metavar="FILE",
              shell_complete=complete_file,
              help="Where an input lies now; it is known by its checksum.")  # fmt: skip
@click.option("--plugin", "plugins", multiple=True, metavar="FILE|MODULE",
              shell_complete=complete_file,
              help="Plugin to load: a recipe loads none by itself.")  # fmt: skip
@click.option("--force", is_flag=True, help="Overwrite the output if it exists.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON record on standard output.")
@output_options
def rerun(
    result: str,
    output: str | None,
    found: tuple[str, ...],
    plugins: tuple[str, ...],
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Repeat the run that made the picture RESULT.

    Its inputs must be as they were; their checksums are compared. On the same machine it gives the
    same picture. Code comes from --plugin alone, never from the picture; callbacks are left out.
    """
    from impasto.jobs.malloc import ConfigureMalloc
    from impasto.jobs.rerun import rerun as run_again

    path = Path(result)
    target = output or longer(str(path.with_suffix("")), f"_again{path.suffix}")

    again = run_again(
        path,
        target,
        found=found,
        plugins=plugins,
        force=force,
        watched=lambda settings: settings.watched(quiet),
        observers=[ConfigureMalloc()],
    )
    report(again, as_json, quiet)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
