"""Memory and time of pictures in tiles, beside those of whole ones.

    python -m impasto_profiling.tiles --size 512 --size 1024 --tile off --tile 512 --tile 256

Each case is a process of its own that takes a few steps of its size, after a small stage from which L-BFGS
carries a full history over, as it does in a pyramid. Peaks do not depend on what else the machine does.
Times are those of all processors together, the median of the size's steps but the first, and should be taken
when it does nothing else.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import click

import impasto
from impasto.command.printing import say
from impasto.jobs.estimate import estimate_settings
from impasto.jobs.malloc import ConfigureMalloc
from impasto.jobs.run import run_settings
from impasto.optimization.memory import resident_bytes
from impasto.settings.settings import Settings, gather
from impasto_profiling.bench.process import run_process
from impasto_profiling.pairs import DEMO, check_pairs

SMALL, HISTORY = 96, 20
"""Longer side of the small stage, pixels, and pairs of steps that the default's optimizer keeps."""
HEAD = "| pixels | tile | peak, MB | before the run, MB | foretold, MB | seconds a step | a megapixel |"
RULE = "|---|---|---|---|---|---|---|"


@dataclass
class Watch:
    """Observer of a run: what the process has before it, and the time of each step."""

    before: int = 0
    """Bytes."""
    times: list[float] = field(default_factory=list)
    """Seconds of all processors, after each step."""

    @impasto.hookimpl
    def impasto_before_run(self) -> None:
        self.before = resident_bytes()

    @impasto.hookimpl
    def impasto_after_step(self, step: impasto.Step) -> None:
        if step.stage.part == 1:
            self.times.append(time.process_time())


def settings_of(given: dict[str, Any]) -> Settings:
    """The settings of a case: a small stage that fills the optimizer's history, and its size; no output."""
    before = {"scales": [SMALL], "coarse_steps": [HISTORY + 2]}
    return gather({**given, **before}, "default", None)


def measured(given: dict[str, Any]) -> dict[str, Any]:
    """Paint one case in this process.

    Args:
        given: settings by name; two steps at least.
    """
    watch = Watch()
    result = run_settings(settings_of(given), observers=[ConfigureMalloc(), watch])
    pairs = zip(watch.times, watch.times[1:], strict=False)
    return {
        "width": result.picture.width,
        "height": result.picture.height,
        "before": watch.before,
        "seconds": statistics.median(after - before for before, after in pairs),
    }


def row(given: dict[str, Any], foretell: bool) -> str:
    """Measure one case in a process of its own, as a row of the table."""
    command = [sys.executable, "-m", "impasto_profiling.tiles", "--one", json.dumps(given)]
    done = run_process(command)
    found = json.loads(done.lines[-1][1])
    told = ""
    if foretell:
        foretold = json.loads(run_process([*command, "--foretell"]).lines[-1][1])
        told = f"{foretold / 1e6:.0f}"
    megapixels = found["width"] * found["height"] / 1e6
    return (
        f"| {found['width']} × {found['height']} | {given['tile']} | {done.peak_bytes / 1e6:.0f}"
        f" | {found['before'] / 1e6:.0f} | {told} | {found['seconds']:.1f}"
        f" | {found['seconds'] / megapixels:.1f} |"
    )


@click.command()
@click.option("--pair", "pairs", multiple=True, callback=check_pairs, metavar="CONTENT,STYLE")
@click.option("--size", "sizes", multiple=True, type=click.IntRange(64), default=(512, 1024))
@click.option("--tile", "tiles", multiple=True, default=("off", "512", "256"), metavar="off|N")
@click.option("--precision", default="auto")
@click.option("--steps", type=click.IntRange(2), default=3)
@click.option("--history", type=click.Choice(["full", "bfloat16"]), default="full")
@click.option("--foretell", is_flag=True, help="Also what a dry run says of the peak.")
@click.option("--one", hidden=True)
def tiles(
    pairs: Sequence[tuple[str, str]], sizes: Sequence[int], tiles: Sequence[str],
    precision: str, steps: int, history: str, foretell: bool, one: str | None,
) -> None:  # fmt: skip
    """Measure memory and time of pictures of some sizes, whole and in tiles."""
    if one is not None:
        case = json.loads(one)
        peak = estimate_settings(settings_of(case)).peak_bytes if foretell else None
        say(json.dumps(measured(case) if peak is None else peak))
        return
    content, style = (pairs or DEMO)[0]
    shared = {
        "content": content, "style": [style], "precision": precision, "steps": [steps],
        "optimizer": f"lbfgs:history_precision={history}",
    }  # fmt: skip
    say(f"{HEAD}\n{RULE}")
    for size in sizes:
        for tile in tiles:
            say(row({**shared, "size": size, "tile": tile}, foretell))


if __name__ == "__main__":
    tiles()
