"""Threads of a command: as many as it may use at once, and asleep while they wait.

OpenMP reads its variables when torch is imported, so they are set before that. A command owns its process;
a library should leave them alone. What the user set stays.
"""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Iterator, MutableMapping
from pathlib import Path

from impasto.files.control_groups import group_folders, lines_of

THREADS = "OMP_NUM_THREADS"
WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
"""Variables that say how threads wait: in OpenMP, in GNU's form of it, and in LLVM's and Intel's."""
MOST = 8
"""Threads for each processor; a number beyond that is a mistake, and may end the process."""


def configure_threads(environment: MutableMapping[str, str]) -> str | None:
    """Set the variables of OpenMP that the user did not set; nothing where torch was imported already.

    Threads that wait sleep: busy ones would take the processor from whatever else runs.

    Args:
        environment: of this process.

    Returns:
        A line about a number of threads that cannot be, and is replaced; else None.
    """
    if "torch" in sys.modules:
        return None
    if not any(name in environment for name in WAITING):
        environment["OMP_WAIT_POLICY"] = "PASSIVE"
    given = environment.get(THREADS, "").strip()
    number, most = allowed_threads(), MOST * processors()
    if (
        re.fullmatch(r"[0-9]{1,9}(\s*,\s*[0-9]{1,9})*", given)
        and 1 <= int(given.split(",")[0]) <= most
    ):
        return None
    if given or number < processors():
        environment[THREADS] = str(number)
    else:
        environment.pop(THREADS, None)
    if not given:
        return None
    return f"{THREADS}={given}: it has to be from 1 to {most}; taking {number}"


def allowed_threads(root: Path = Path("/")) -> int:
    """Threads that this process may run at once: by its affinity and by its control group's quota.

    Args:
        root: of the file system.
    """
    quota = min(quotas(root), default=math.inf)
    return processors() if quota == math.inf else max(1, min(processors(), math.ceil(quota)))


def processors() -> int:
    """Processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def quotas(root: Path) -> Iterator[float]:
    """Processors' worth of time that each control group around this process allows it."""
    for folder in group_folders("cpu", root):
        # "50000 100000", or "max 100000": microseconds in each period.
        both = " ".join(lines_of(folder / "cpu.max")) or " ".join(
            line
            for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us")
            for line in lines_of(folder / name)
        )
        if found := re.fullmatch(r"([1-9]\d*) ([1-9]\d*)", both):
            yield int(found[1]) / int(found[2])
