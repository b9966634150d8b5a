"""Other processes, measured from outside: when they say what, how long they take, how much memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from impasto.errors import ImpastoError

IMPASTO = (sys.executable, "-m", "impasto")
"""The program, as the Python that runs has it."""
KILOBYTE = 1 if sys.platform == "darwin" else 1024
"""Bytes of the unit in which the system gives the largest resident set."""


LAUNCHER = """
import os, sys
child = os.spawnvp(os.P_NOWAIT, sys.argv[2], sys.argv[2:])
_, status, usage = os.wait4(child, 0)
with open(sys.argv[1], "w") as report:
    report.write(str(usage.ru_maxrss))
code = os.waitstatus_to_exitcode(status)
sys.exit(code if code >= 0 else 128 - code)
"""
"""A small process between this one and the measured one, which inherits the largest resident set of its
parent: this one may be larger than it."""


def command(name: str, pair: tuple[str, str], size: int, output: Path, *more: str) -> list[str]:
    """A command that paints, and says nothing but errors.

    Args:
        name: ``run`` or ``profile``.
        pair: files of content and style pictures.
        size: longer side, pixels.
        output: file to write; one that is there is overwritten.
        more: options.
    """
    return [
        *IMPASTO, name, *pair, "--size", str(size), "--output", str(output), "--force", "--quiet", *more,
    ]  # fmt: skip


@dataclass(frozen=True)
class Finished:
    """What a process left behind."""

    seconds: float
    """From its start to its end."""
    peak_bytes: int
    """Its largest resident set; 0 if it was ended before its time."""
    lines: tuple[tuple[float, str], ...]
    """Lines of standard output, each with the seconds from the start to its arrival."""

    def first(self, wanted: Callable[[str], bool]) -> float:
        """Seconds to the first line that is wanted.

        Raises:
            ImpastoError: none came.
        """
        for seconds, line in self.lines:
            if wanted(line):
                return seconds
        raise ImpastoError("a measured process ended without the output that was waited for")


def run_process(command: Sequence[str], until: Callable[[str], bool] | None = None) -> Finished:
    """Run a command and measure it.

    Args:
        command: program and arguments; lines that are to be timed have to be flushed.
        until: end the process at the first line that this is true of.

    Raises:
        ImpastoError: it failed; the text has the last line of its standard error.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8") as errors, reported() as report:
        started, lines = time.perf_counter(), []
        # The words of the command line are our own, or files that were named to us.
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-I", "-S", "-c", LAUNCHER, str(report), *command],
            stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True,
        )  # fmt: skip
        assert process.stdout is not None
        try:
            with process.stdout:
                for line in process.stdout:
                    lines.append((time.perf_counter() - started, line.rstrip("\n")))
                    if until is not None and until(line):
                        os.killpg(process.pid, signal.SIGKILL)
                        break
        except BaseException:
            # In its own session Ctrl-C does not reach it; it would disturb what is measured next.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        failed = process.wait() > 0
        seconds = time.perf_counter() - started
        if failed:
            errors.seek(0)
            last = (errors.read().strip().splitlines() or ["no word"])[-1]
            raise ImpastoError(f"{Path(command[0]).name} {' '.join(command[1:4])} … failed: {last}")
        peak = int(report.read_text() or 0) if report.exists() else 0
    return Finished(seconds, peak * KILOBYTE, tuple(lines))


@contextmanager
def reported() -> Iterator[Path]:
    """A file for one number, gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "report"
