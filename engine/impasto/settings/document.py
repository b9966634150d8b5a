"""Documents that may come from strangers are read here: regular files, up to a size, and nothing else."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from impasto.errors import ImpastoError

KILOBYTE, MEGABYTE, GIGABYTE = 10**3, 10**6, 10**9


def read_document(
    path: str | os.PathLike[str], what: str, most: int, error: type[ImpastoError]
) -> bytes:
    """The bytes of a document.

    A pipe, a device or a file of the system's own (as in /proc) is refused unread: reading it might never
    end, or do something.

    Args:
        path: of the document.
        what: what it is called in an error, e.g. ``config file 'a.toml'``.
        most: bytes that it may have.
        error: what is raised.

    Raises:
        ImpastoError: of the given kind: it cannot be read, is no regular file, or too large.
    """
    try:
        if os.path.isdir(path):
            raise error(f"{what} is a folder")
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(handle, "rb") as file:
            told = os.fstat(handle)
            if not is_regular(told):
                raise error(
                    f"{what} is a pipe, a device or a file of the system: not a regular file"
                )
            if told.st_size > most:
                raise error(
                    f"{what} is too large: {size(told.st_size)}; at most {size(most)} are read"
                )
            data = file.read(told.st_size + 1)
    except FileNotFoundError:
        raise error(f"{what} does not exist") from None
    except (OSError, ValueError) as failure:
        reason = getattr(failure, "strerror", None) or failure
        raise error(f"{what} cannot be read: {reason}") from None
    if len(data) > told.st_size:
        raise error(f"{what} grew while it was read; try again")
    return data


def is_regular(told: os.stat_result) -> bool:
    """Whether a file is one on a disk: no folder, pipe or device, and none of /proc or /sys.

    The files of /proc say that they are regular and empty, whatever can be read from them.
    """
    return stat.S_ISREG(told.st_mode) and told.st_dev not in _devices_of_the_system()


def size(count: int) -> str:
    """Bytes for people.

    >>> size(1_500_000)
    '1.5 MB'
    """
    units = {"TB": 10**12, "GB": GIGABYTE, "MB": MEGABYTE, "kB": KILOBYTE}
    unit = next((unit for unit, factor in units.items() if count >= factor), "bytes")
    return f"{count / units.get(unit, 1):.3g} {unit}"


def _devices_of_the_system() -> set[int]:
    return {os.stat(place).st_dev for place in ("/proc", "/sys") if Path(place).is_dir()}
