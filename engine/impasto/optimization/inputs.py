"""The files that a run is made from: each is read once, and its checksum is kept."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from impasto.errors import PictureError, RecipeError
from impasto.files.sent import SENT
from impasto.files.urls import fetched, is_url
from impasto.images.reading import Photo, check_picture, open_picture
from impasto.storage.style_file import StyleFile, read_style_file

Stamp = tuple[int, int, int]
"""Inode, size and time of the last change of a file."""


class InputFiles:
    """Reads the inputs of a run by the names that its settings have for them."""

    def __init__(self, max_megapixels: float, folder: str = "") -> None:
        """Start with nothing read.

        Args:
            max_megapixels: the largest picture that is read, in millions of pixels.
            folder: relative names count from there; empty is the working folder.
        """
        self.max_megapixels = max_megapixels
        self.folder = folder
        self.checksums: dict[str, str] = {}
        """SHA-256 of each file that was read, by its name; empty for a picture in memory."""
        self._photos: dict[str, Photo] = {}

    def path(self, name: str) -> str:
        """Where the file of this name lies; one by URL is fetched, one of another machine was sent here.

        Raises:
            PictureError: it cannot be fetched.
        """
        if is_url(name):
            return fetched(name)
        return SENT.get(name) or os.path.join(self.folder, name)

    def real_path(self, name: str) -> str:
        """Where the file of this name lies: absolute, without symbolic links."""
        return os.path.realpath(self.path(name))

    def check_that_they_exist(self, names: Sequence[str]) -> None:
        """Refuse, before anything slow, a name that has no file.

        Raises:
            PictureError: with the first such name.
        """
        for name in names:
            if not os.path.lexists(self.path(name)):
                raise PictureError(f"picture '{self.path(name)}' does not exist")

    def picture(self, name: str) -> Photo:
        """Read a picture file; it is decoded once, however often it is asked for.

        Raises:
            PictureError: it cannot be read.
        """
        if name not in self._photos:
            with self._called(name) as path:
                photo = open_picture(path, self.max_megapixels)
            self._photos[name], self.checksums[name] = photo, photo.checksum
        return self._photos[name]

    def check(self, name: str) -> None:
        """Refuse a file that :meth:`picture` would, as far as that is seen without decoding it.

        Raises:
            PictureError: no such file, not a picture, too small or too large.
        """
        with self._called(name) as path:
            check_picture(path, self.max_megapixels)

    def style_file(self, name: str) -> StyleFile:
        """Read a style file.

        Raises:
            PictureError: it cannot be read.
        """
        read = read_style_file(self.path(name))
        self.checksums[name] = read.checksum
        return read

    @contextmanager
    def read_by_plugins(self, names: Sequence[str]) -> Iterator[None]:
        """Keep the checksums of files that plugins read meanwhile, where there are files of these names.

        Raises:
            RecipeError: a file was changed meanwhile, or cannot be read.
        """
        there = [name for name in names if os.path.isfile(self.path(name))]
        before = {name: self._stamp(name) for name in there}
        yield
        for name in there:
            self.checksums[name] = sha256(self.path(name))
            if self._stamp(name) != before[name]:
                raise RecipeError(f"the input '{name}' was changed while it was read: run it again")

    def checksums_now(self, names: Iterable[str]) -> dict[str, str]:
        """The SHA-256 of those names that have a file, as it is now.

        Raises:
            RecipeError: one cannot be read.
        """
        there = [name for name in names if os.path.isfile(self.path(name))]
        return {name: sha256(self.path(name)) for name in there}

    @contextmanager
    def _called(self, name: str) -> Iterator[str]:
        """The path of a file; errors about it have the name that the settings have."""
        path = self.path(name)
        try:
            yield path
        except PictureError as error:
            called = str(error).replace(path, os.path.join(self.folder, name))
            raise PictureError(called, settings=error.settings) from None

    def _stamp(self, name: str) -> Stamp | None:
        with suppress(OSError, ValueError):
            status = Path(self.path(name)).stat()
            return status.st_ino, status.st_size, status.st_mtime_ns
        return None


def sha256(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file.

    Raises:
        RecipeError: it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError) as error:
        raise RecipeError(f"'{path}' cannot be read: {error}") from None
