"""Writing a file whole or not at all: under a temporary name next to its place, then moved there at once."""

from __future__ import annotations

import errno
import functools
import hashlib
import os
import platform
import re
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from impasto.errors import OutputError

PART = re.compile(r"\.impasto-(?P<machine>[0-9a-f]{8})-(?P<process>\d+)-[0-9a-f]{8}\.part(\.\w+)?")
"""Pattern of the names of files that are being written, which hold their machine and process."""

LONGEST_SUFFIX = 16
"""Most characters of a suffix that a temporary name has; longer ones are left out of it."""

NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV)
"""How file systems say that they have no hard links."""


class FileTakenError(OutputError):
    """There is a file where one was to be written, and it must not be replaced."""


@contextmanager
def written_whole(
    path: Path, *, replace: bool = True, placing: Callable[[Path], object] | None = None
) -> Iterator[Path]:
    """A temporary file next to ``path``, which takes its place at the end; removed if writing fails.

    The file gets the rights that the user's umask leaves, or those of the file that it replaces. A
    symbolic link is followed: what it points to is replaced, the link stays.

    Args:
        path: where the file belongs.
        replace: whether a file there may be replaced. If not, looking whether there is one and putting
            the new one there are one step: of two processes that try, one fails.
        placing: called with the temporary file just before.

    Raises:
        FileTakenError: there is a file, and it must not be replaced.
        OutputError: it cannot be written. What was there before is still there.
    """
    try:
        target = followed(path)
        remove_parts_of_dead_processes(target.parent)
        part, mode = new_part(target)
        try:
            yield part
            with suppress(FileNotFoundError):
                # Where it must not be replaced this has no effect: the last step fails.
                mode = stat.S_IMODE(target.stat().st_mode)
            # Some writers replace the file by one of their own, with other rights.
            part.chmod(mode)
            flush_to_disk(part)
            if placing is not None:
                placing(part)
            put_in_place(part, target, replace)
        finally:
            part.unlink(missing_ok=True)
        with suppress(OSError):
            flush_to_disk(target.parent)
    except FileExistsError:
        raise FileTakenError(f"there is a file '{path}' now, which is not replaced") from None
    except OSError as error:
        raise OutputError(f"'{path}' cannot be written: {error.strerror or error}") from None


def followed(path: Path) -> Path:
    """Where a symbolic link points to in the end; the path itself if it is none.

    Unlike :func:`os.path.realpath` it needs no working folder, which may be gone.

    Raises:
        OSError: the links go in a circle.
    """
    for _ in range(40):
        if not path.is_symlink():
            return path
        path = path.parent / path.readlink()
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))


def new_part(target: Path) -> tuple[Path, int]:
    """A new empty file in the folder of ``target``, and the rights that the umask left it.

    Raises:
        OSError: it cannot be made.
    """
    suffix = target.suffix if len(target.suffix) <= LONGEST_SUFFIX else ""
    suffix = suffix if re.fullmatch(r"\.\w+", suffix, re.ASCII) else ""
    name = f".impasto-{machine()}-{os.getpid()}-{secrets.token_hex(4)}.part{suffix}"
    part = target.parent / name
    handle = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    try:
        return part, stat.S_IMODE(os.fstat(handle).st_mode)
    finally:
        os.close(handle)


def put_in_place(part: Path, target: Path, replace: bool) -> None:
    """Give a finished file its name, in one step.

    Raises:
        FileExistsError: the name is taken, and must not be replaced.
        OSError: something else is in the way.
    """
    if replace:
        part.replace(target)
        return
    try:
        os.link(part, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        # An empty file of our own takes the name first, which fails where another process was faster.
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        part.replace(target)


def flush_to_disk(path: Path) -> None:
    """Wait until a file, or a folder's list of names, is on the disk.

    Raises:
        OSError: it cannot be written there.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_parts_of_dead_processes(folder: Path) -> None:
    """Remove what processes that were killed left in a folder while they wrote there."""
    with suppress(OSError):
        for name in os.listdir(folder):
            if is_of_dead_process(PART.fullmatch(name)):
                with suppress(OSError):
                    (folder / name).unlink()


def is_of_dead_process(found: re.Match[str] | None) -> bool:
    """Whether a name belongs to a process of this machine that has ended."""
    if found is None or found["machine"] != machine() or os.name != "posix":
        return False
    try:
        os.kill(int(found["process"]), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False


@functools.cache
def machine() -> str:
    """A name for this machine or container: those that share a folder may number processes alike."""
    processes = ""
    with suppress(OSError):
        processes = os.readlink("/proc/self/ns/pid")
    return hashlib.sha256(f"{platform.node()} {processes}".encode()).hexdigest()[:8]
