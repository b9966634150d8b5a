"""What to say where memory ran out."""

from __future__ import annotations

import math

from impasto.model.precision import precision_name
from impasto.optimization.state import Run
from impasto.optimization.tiling import smaller_tile


def out_of_memory_advice(run: Run) -> str:
    """One line that says at which stage memory ran out, and what would need less: tiles first.

    Memory grows with the number of pixels, so half as much takes sides shorter by √2.
    """
    ahead = [stage for stage in run.stages if run.done_in(stage) < stage.steps]
    stage = ahead[0] if ahead else run.stages[-1]
    precision = precision_name(run.precision)
    measure = min if run.settings.side == "shorter" else max
    size = max(16, math.floor(measure(stage.width, stage.height) / math.sqrt(2)))
    tile = smaller_tile(run.settings, run.objective, stage)
    advice = [f"tile {tile} needs less at the same size"] if tile else []
    advice.append(f"size {size} needs about half as much")
    if stage.number:
        before = run.stages[stage.number - 1]
        advice.append(f"size {measure(before.width, before.height)} did fit")
    if precision == "float32":
        advice.append("precision bfloat16 needs less, too")
    return (
        f"out of memory at {stage.width} × {stage.height} pixels in {precision}:"
        f" {', '.join(advice)}"
    )
