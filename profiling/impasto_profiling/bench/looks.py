"""Suite ``looks``: seconds and largest resident set of whole runs, preset by preset.

Each is a process of its own, from the command to the picture, with the preset's own steps; the seconds are
those of one run each, one after the other.
"""

from __future__ import annotations

from collections.abc import Iterator

from impasto_profiling.bench.plan import Plan, name_of
from impasto_profiling.bench.process import Finished, command, run_process
from impasto_profiling.bench.record import Comparison, compared, figure

PRESETS = ("default", "strong", "nnst", "strotss", "pyramid-wasserstein")
"""The first is what the others are compared with."""
SIZE, QUICK_SIZE = 512, 128


def measure(plan: Plan) -> Iterator[Comparison]:
    """Seconds and megabytes of each preset, of the first pair."""
    (size,) = plan.sizes(QUICK_SIZE if plan.quick else SIZE)
    first: Finished | None = None
    for preset in PRESETS:
        plan.say(f"looks: {preset}, {size} px")
        done = whole_run(plan, preset, size)
        pictures = name_of(plan.pairs[0])
        yield compared(
            "looks", f"{size} px, {preset}: from the command to the picture", "s",
            figure("impasto", [done.seconds]),
            None if first is None else figure(PRESETS[0], [first.seconds]),
            pictures=pictures, preset=preset,
        )  # fmt: skip
        yield compared(
            "looks", f"{size} px, {preset}: memory", "MB",
            figure("impasto", [done.peak_bytes / 1e6]),
            None if first is None else figure(PRESETS[0], [first.peak_bytes / 1e6]),
            pictures=pictures, preset=preset,
        )  # fmt: skip
        first = first or done


def whole_run(plan: Plan, preset: str, size: int) -> Finished:
    """Paint the first pair with a preset."""
    steps = () if plan.steps is None else ("--steps", str(plan.steps))
    output = plan.folder / f"looks_{preset}.png"
    words = command("run", plan.pairs[0], size, output, "--preset", preset, *steps)
    return run_process(words)
