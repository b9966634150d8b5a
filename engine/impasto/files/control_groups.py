"""The limits that Linux sets a process by control groups, of version 1 and 2."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath


def group_folders(controller: str, root: Path = Path("/")) -> Iterator[Path]:
    """The folders of the control groups around this process, from its own up; they need not be there.

    In a container the path of the group may be the host's, and then only the group at the top is there.

    Args:
        controller: ``cpu`` or ``memory``.
        root: of the file system.
    """
    for line in lines_of(root / "proc/self/cgroup"):
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and controller not in controllers.split(","):
            continue
        top = root / "sys/fs/cgroup" / controllers
        for group in (PurePosixPath(path), *PurePosixPath(path).parents):
            yield top / str(group).lstrip("/")


def lines_of(path: Path) -> list[str]:
    """Lines of a small file; none where it cannot be read."""
    with suppress(OSError, ValueError):
        return path.read_text(encoding="utf-8").splitlines()
    return []
