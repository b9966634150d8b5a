"""The register of all files that a command reads and writes: none is both, and none is lost to another.

Files are told apart by device and inode, so that links and other spellings of a name count as the same file.
What a command is going to write is claimed before any work, and written by the register, which looks once
more whether the place is free: in the same act in which the file is put there.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from impasto.errors import OutputError, unknown
from impasto.files.names import free_name
from impasto.files.whole import FileTakenError, followed, written_whole

Identity = tuple[object, ...]
"""Device and inode; of a file that is not there yet: those of its folder, and its name."""

Stamp = tuple[int, int, int]
"""Device, inode and time of the last change, by which a file is known again; 0 for one that still grows."""

Write = Callable[[Path], object]
"""A function that writes something to a path, which the register chooses."""

OWN = "written.json"
"""The file in a checkpoint's folder that lists what its run wrote and may write again once resumed."""

MOST_OWN = 1_000_000
"""Most bytes that are read of that file."""


class Outputs:
    """The register of the files that one command reads and writes."""

    def __init__(self, *, force: bool = False, folder: str | os.PathLike[str] = "") -> None:
        """Start with nothing registered.

        Args:
            force: whether files that are there may be replaced.
            folder: relative names count from there; empty is the working folder.
        """
        self.force, self.folder = force, Path(folder)
        self._inputs: dict[Identity, str] = {}
        self._claimed: dict[Identity, str] = {}
        self._own: set[Stamp] = set()
        self._record: Path | None = None

    def located(self, path: str | os.PathLike[str]) -> Path:
        """Where a name of a file leads to."""
        return self.folder / path

    def reads(self, names: Iterable[str | os.PathLike[str]]) -> None:
        """Register files that the command reads; names without a file are skipped.

        Raises:
            OutputError: one of them is claimed as an output.
        """
        for name in names:
            path = self.located(name)
            try:
                found = identity(path)
            except (OSError, ValueError):
                continue
            if found in self._claimed:
                raise OutputError(f"{self._claimed[found]} '{path}' is one of the inputs")
            if _exists(path):
                self._inputs[found] = os.fspath(name)

    def claim(
        self,
        path: str | os.PathLike[str],
        what: str = "output",
        suffixes: Iterable[str] = (),
        *,
        replace: bool = False,
    ) -> Path:
        """Register a file that the command is going to write, and refuse one that it could not.

        Args:
            path: the file. What is claimed twice by the same name is refused, too.
            what: what it is, for the error: ``output``, ``callback 'log': file``.
            suffixes: those that are allowed; none allows any.
            replace: one that is there may be replaced, whatever ``force`` says.

        Returns:
            Where it lies.

        Raises:
            OutputError: an unknown suffix, a name that is too long, a folder in its place, no folder
                for it, no right to write, an input, another output, or a file that is there while
                ``force`` is not set.
        """
        located = self.located(path)
        said = f"{what} '{path}'"
        suffixes = tuple(suffixes)
        if suffixes and located.suffix.lower() not in suffixes:
            raise OutputError(f"{said}: {unknown('suffix', located.suffix, suffixes)}")
        try:
            there = _regular_file(located, said)
            found = identity(located)
        except (OSError, ValueError) as error:
            raise OutputError(f"{said} {_why(error, located)}") from None
        if found in self._inputs:
            raise OutputError(f"{said} is one of the inputs: it would be lost")
        if found in self._claimed:
            raise OutputError(
                f"{said} is also written as {self._claimed[found]}: give it another name"
            )
        if there and not replace and not self.may_replace(located):
            raise OutputError(f"{said} exists; set force to overwrite it", settings=("force",))
        self._claimed[found] = what
        return located

    def claim_folder(self, path: str | os.PathLike[str], what: str = "folder") -> Path:
        """Make a folder that the command writes into, and those that it lies in, unless it is there.

        Returns:
            Where it lies. Each file in it is claimed by itself.

        Raises:
            OutputError: it cannot be made, or not be written to.
        """
        folder = self.located(path)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except (OSError, ValueError) as error:
            raise OutputError(f"{what} '{path}' {_why(error, folder)}") from None
        if not os.access(folder, os.W_OK | os.X_OK):
            raise OutputError(f"{what} '{path}' cannot be written to")
        return folder

    def may_replace(self, path: Path) -> bool:
        """Whether a file that is there may be replaced: by force, or because this command wrote it."""
        if self.force:
            return True
        stamp = stamp_of(path)
        return stamp is not None and not self._own.isdisjoint((stamp, (*stamp[:2], 0)))

    @contextmanager
    def writing(self, path: Path, grows: bool = False) -> Iterator[Path]:
        """A temporary file that takes the place of ``path`` at the end, if that place may be taken.

        Args:
            path: as :meth:`claim` gave it.
            grows: whether the file is appended to after that.

        Raises:
            FileTakenError: a file has come to be there, which must not be replaced.
            OutputError: it cannot be written.
        """
        note = partial(self._note, grows=grows)
        with written_whole(path, replace=self.may_replace(path), placing=note) as part:
            yield part

    def keep(self, write: Write, path: Path, what: str = "picture") -> str:
        """Write a result that took long to make: to its place or, if that fails, to another.

        Args:
            write: writes it to a path.
            path: where it belongs, as :meth:`claim` gave it.
            what: the result's name in the line.

        Returns:
            Nothing if it is in its place; else one line that says why not, and where it is.
        """
        try:
            self._write(write, path)
        except OutputError as error:
            for other in other_places(path, beside=isinstance(error, FileTakenError)):
                try:
                    self._write(write, other)
                except OutputError:
                    if other.parent != path.parent:
                        shutil.rmtree(other.parent, ignore_errors=True)
                else:
                    return f"{error}; the {what} is in '{other}'"
            return f"{error}, and no other place could be found for the {what}"
        return ""

    def keep_or_raise(self, write: Write, path: Path, what: str = "picture") -> None:
        """Write a result as :meth:`keep` does; raise an error where it is not in its place.

        Raises:
            OutputError: it names the place where the result is.
        """
        trouble = self.keep(write, path, what)
        if trouble:
            raise OutputError(trouble)

    def remember_in(self, folder: Path) -> None:
        """Keep in a folder which files this command writes, and read what an earlier one kept there."""
        self._record = folder / OWN
        with suppress(OSError, ValueError, TypeError), self._record.open("rb") as file:
            for device, inode, changed in json.loads(file.read(MOST_OWN)):
                self._own.add((int(device), int(inode), int(changed)))

    def _write(self, write: Write, path: Path) -> None:
        with self.writing(path) as part:
            write(part)

    def _note(self, part: Path, grows: bool) -> None:
        # Before it gets its name, so that no moment is left in which a killed run would not know it.
        stamp = stamp_of(part)
        assert stamp is not None
        # What had this inode before is gone.
        self._own = {one for one in self._own if one[:2] != stamp[:2]}
        self._own.add((*stamp[:2], 0) if grows else stamp)
        if self._record is not None:
            with suppress(OutputError), written_whole(self._record) as record:
                record.write_text(json.dumps(sorted(self._own)), encoding="utf-8")


def identity(path: Path) -> Identity:
    """What tells a file from others, however its name is written.

    Raises:
        OSError: its name cannot be looked up.
    """
    target = followed(path)
    with suppress(FileNotFoundError, NotADirectoryError):
        status = target.stat()
        return status.st_dev, status.st_ino
    with suppress(FileNotFoundError, NotADirectoryError):
        status = target.parent.stat()
        return status.st_dev, status.st_ino, target.name
    return (os.fspath(target),)


def stamp_of(path: Path) -> Stamp | None:
    """The device, inode and time of the last change of a file; None if there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns


def other_places(path: Path, beside: bool = False) -> Iterator[Path]:
    """Other places for a file, in new folders: among temporary files, at home, here.

    Args:
        path: where it should have been.
        beside: try the same folder first, under another name.
    """
    if beside:
        with suppress(OSError):
            yield path.with_name(free_name(path.name, os.listdir(path.parent)))
    parents: list[Callable[[], str | Path]] = [tempfile.gettempdir, Path.home, Path.cwd]
    for parent in parents:
        with suppress(OSError, RuntimeError):
            yield Path(tempfile.mkdtemp(prefix="impasto-", dir=parent())) / path.name


def _regular_file(path: Path, said: str) -> bool:
    """Whether there is a file; anything else than a file or nothing is refused."""
    target = followed(path)
    parent = target.parent
    if not os.path.isdir(parent):
        raise OutputError(f"{said}: the folder '{parent}' does not exist")
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        mode = None
    if mode is not None and stat.S_ISDIR(mode):
        raise OutputError(f"{said} is a folder")
    if mode is not None and not stat.S_ISREG(mode):
        raise OutputError(f"{said} is not a regular file, but a device, pipe or socket")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise OutputError(f"{said}: the folder '{parent}' cannot be written to")
    return mode is not None


def _exists(path: Path) -> bool:
    try:
        path.stat()
    except (OSError, ValueError):
        return False
    return True


def _why(error: OSError | ValueError, path: Path) -> str:
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return f"cannot be written: its name has {len(os.fsencode(path.name))} bytes, too many here"
    return f"cannot be written: {getattr(error, 'strerror', None) or error}"
