"""Folders for what is needed only while a process runs; those of killed ones are removed by the next."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from impasto.files.whole import is_of_dead_process, machine

SCRATCH = re.compile(r"impasto-(?P<machine>[0-9a-f]{8})-(?P<process>\d+)-\w+")
"""Pattern of the names of such folders, which hold their machine and process."""


def scratch_folder(parent: Path | None = None) -> Path:
    """A new folder among the temporary files; the caller removes it.

    Args:
        parent: the folder to make it in; None takes that of temporary files.

    Raises:
        OSError: it cannot be made.
    """
    parent = parent or Path(tempfile.gettempdir())
    with suppress(OSError):
        for name in os.listdir(parent):
            if is_of_dead_process(SCRATCH.fullmatch(name)):
                shutil.rmtree(parent / name, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"impasto-{machine()}-{os.getpid()}-", dir=parent))
