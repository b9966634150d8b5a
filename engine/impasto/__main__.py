"""``python -m impasto``: the command line."""

from impasto.command.main import command

command()
