"""What a document may ask for: a config, a preset, a recipe or a checkpoint may come from a stranger.

The arguments of a call and the command line come from the user, documents perhaps not. A document names
plugins and never loads them: the user names each one once more. It may choose among the installed plugins
by ``load``, since these the user has installed, and all of them are loaded by default. It
never overwrites a file, and writes only in folders where its user expects it to, unless it is trusted.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from impasto.errors import ImpastoError, PluginError, SettingsError
from impasto.settings.spec import Spec

LISTED = 5
"""Places that an error names; there may be many more."""


def refuse_unnamed(what: str, needed: object, given: Sequence[str]) -> None:
    """Refuse plugins that a document asks for and the user does not.

    Args:
        what: the document, for the error, e.g. ``config file 'a.toml'``.
        needed: plugins by file or module, as the document has them: text, or a list of texts.
        given: plugins that the user named; they may lie elsewhere now.

    Raises:
        SettingsError: what the document has there is no text.
        PluginError: one was not named.
    """
    plugins = [needed] if isinstance(needed, str) else needed
    if not isinstance(plugins, (list, tuple)) or not all(isinstance(one, str) for one in plugins):
        raise SettingsError(
            f"{what}: setting 'plugin' must be text or a list of texts, not {needed!r}"
        )
    names = {os.path.basename(plugin) for plugin in given}
    missing = [plugin for plugin in plugins if os.path.basename(plugin) not in names]
    if missing:
        raise PluginError(
            f"{what} needs the plugin {missing[0]!r}, and documents load no code by themselves: name it"
            " as a plugin yourself if you trust it",
            settings=("plugin",),
        )


def where_they_are(needed: Sequence[str], given: Sequence[str], folder: Path) -> tuple[str, ...]:
    """The plugins that the user named, by the names that the run had for them where they are the same.

    Args:
        needed: plugins of the run; relative paths count from ``folder``.
        given: plugins that the user named; relative paths count from the working folder.
        folder: where the run was started.
    """
    before = {os.path.realpath(folder / plugin): plugin for plugin in needed}
    files = [os.path.realpath(plugin) if plugin.endswith(".py") else plugin for plugin in given]
    return tuple(before.get(file, file) for file in files)


def refuse_writes_outside(
    what: str,
    settings: Mapping[str, Any],
    started_in: Path,
    allowed: Iterable[Path],
    error: type[ImpastoError],
) -> None:
    """Refuse a document that would write somewhere where its user does not expect it.

    Args:
        what: the document, for the error.
        settings: its table of settings; relative paths count from ``started_in``.
        started_in: the working folder of the run.
        allowed: folders in which the document may write. Links are followed.
        error: what is raised.

    Raises:
        ImpastoError: of the given kind, with the places.
    """
    folders = [Path(os.path.realpath(folder)) for folder in allowed]
    outside = [
        place
        for name in writes_of(settings)
        if not any(
            Path(place := os.path.realpath(started_in / name)).is_relative_to(folder)
            for folder in folders
        )
    ]
    if outside:
        listed = ", ".join(repr(place) for place in outside[:LISTED])
        more = f" and {len(outside) - LISTED} more" if len(outside) > LISTED else ""
        raise error(
            f"{what} would write {listed}{more}, which is not in"
            f" {' or '.join(sorted({repr(str(folder)) for folder in folders}))}: set trust if you want that",
            settings=("trust",),
        )


def writes_of(settings: Mapping[str, Any]) -> list[str]:
    """Every file and folder that a table of settings may have written.

    These are the output, the checkpoint's folder, and each option of a callback that is text: only the
    callback knows which of them are files, and a word that is none would lie in the working folder.
    """
    places = [settings.get("output"), settings.get("checkpoint")]
    callbacks = settings.get("callback") or ()
    for callback in callbacks if isinstance(callbacks, (list, tuple)) else (callbacks,):
        places += Spec.parse(callback).options.values()
    return [place for place in places if isinstance(place, str) and place]
