"""Files that observers write: refused before any work where they could not be written.

Not a plugin: what the callbacks share.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import impasto
from impasto.plugin import unknown


def check_file(callback: str, path: Path, suffixes: Iterable[str] = ()) -> None:
    """Refuse a file that could not be written.

    Args:
        callback: whose file it is.
        path: one that exists is going to be replaced.
        suffixes: that are allowed; none allows any.

    Raises:
        SettingsError: an unknown suffix, a folder in its place, no folder for it, or no right to write.
    """
    what = f"callback '{callback}': file '{path}'"
    suffixes = tuple(suffixes)
    if suffixes and path.suffix.lower() not in suffixes:
        raise impasto.SettingsError(f"{what}: {unknown('suffix', path.suffix, suffixes)}")
    if path.is_dir():
        raise impasto.SettingsError(f"{what} is a folder")
    if not path.parent.is_dir():
        raise impasto.SettingsError(f"{what}: the folder '{path.parent}' does not exist")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise impasto.SettingsError(f"{what} cannot be written to")


def make_folder(callback: str, folder: Path) -> None:
    """Make a folder, and those that it lies in, unless it is there.

    Raises:
        SettingsError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise impasto.SettingsError(
            f"callback '{callback}': folder '{folder}': {error.strerror or error}"
        ) from None


def refuse_files_of_the_run(callback: str, path: Path, run: impasto.Run) -> None:
    """Refuse to overwrite what the run reads, or the picture that it writes.

    Raises:
        SettingsError: the file is one of them.
    """
    settings = run.settings
    masks = [mask for style in settings.style for mask in (style.content_mask, style.style_mask)]
    taken = [settings.content, *map(os.fspath, settings.style), *masks, settings.output]
    if path.resolve() in [Path(one).resolve() for one in taken if one]:
        what = f"callback '{callback}': file '{path}'"
        raise impasto.SettingsError(f"{what} is one of the run's own pictures")
