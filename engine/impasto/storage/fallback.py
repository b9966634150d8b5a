"""Writing what took hours: where its place cannot be had any more, it is kept in another."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from impasto.errors import PictureError


def write_or_keep_elsewhere(
    write: Callable[[Path], None], path: Path, what: str = "picture"
) -> str:
    """Write a result to its place; or, if that fails, into a new folder for temporary files.

    Args:
        write: writes it to a path, and raises PictureError if it cannot.
        path: where it belongs.
        what: the result's name in the line.

    Returns:
        Nothing if it is in its place; else one line that says why not, and where it is.
    """
    try:
        write(path)
    except PictureError as error:
        for folder in other_places():
            try:
                write(folder / path.name)
            except PictureError:
                shutil.rmtree(folder, ignore_errors=True)
            else:
                return f"{error}; the {what} is in '{folder / path.name}'"
        return f"{error}, nor is there another place for the {what}"
    return ""


def keep(write: Callable[[Path], None], path: Path, what: str = "picture") -> None:
    """Write a result to its place, or to one that the error names; see :func:`write_or_keep_elsewhere`.

    Raises:
        PictureError: it is not in its place.
    """
    trouble = write_or_keep_elsewhere(write, path, what)
    if trouble:
        raise PictureError(trouble)


def other_places() -> Iterator[Path]:
    """New folders where the user has a right to write: for temporary files, at home, here."""
    for parent in (Path(tempfile.gettempdir()), Path.home(), Path.cwd()):
        try:
            yield Path(tempfile.mkdtemp(prefix="impasto-", dir=parent))
        except OSError:
            continue
