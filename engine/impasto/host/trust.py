"""Plugins that a recipe or a checkpoint asks for: it brings in no code by itself, the user names each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from impasto.errors import PluginError


def refuse_unnamed(what: str, needed: Sequence[object], given: Sequence[str]) -> None:
    """Refuse plugins that a file asks for and the user does not.

    Args:
        what: the file, for the error.
        needed: plugins by file or module, as the file has them.
        given: plugins that the user named; they may lie elsewhere now.

    Raises:
        PluginError: one was not named.
    """
    names = [Path(plugin).name for plugin in given]
    for plugin in map(str, needed):
        if Path(plugin).name not in names:
            raise PluginError(
                f"{what} needs the plugin {plugin!r}, and loads no code by itself: give --plugin if"
                " you trust it"
            )


def where_they_are(needed: Sequence[str], given: Sequence[str], folder: Path) -> tuple[str, ...]:
    """The plugins that the user named, by the names that the run had for them where they are the same.

    Args:
        needed: of the run; relative paths count from ``folder``.
        given: relative paths count from here.
        folder: where the run was started.
    """
    before = {os.path.realpath(folder / plugin): plugin for plugin in needed}
    files = [os.path.realpath(plugin) if plugin.endswith(".py") else plugin for plugin in given]
    return tuple(before.get(file, file) for file in files)
