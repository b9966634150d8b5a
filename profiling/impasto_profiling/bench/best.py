"""The engine's settings in races for time: what reaches a loss soonest, as far as is known."""

from __future__ import annotations

FASTEST: dict[str, object] = {
    "optimizer": "lbfgs",
    "canvas": "pixels",
    "scales": "single",
    "precision": "auto",
    "compile": "auto",
}

SMALLEST = 64
"""Longer side of the coarsest start, pixels; smaller pictures are too small for the deepest layers."""
COARSE_STEPS = {4: 60, 2: 40}
"""Steps of each coarse stage, by how many times smaller it is; together they cost 14 at full size."""


def for_a_long_race(size: int) -> dict[str, object]:
    """Settings for a loss that takes a hundred evaluations: from coarse to fine, with a long history.

    Towards pastiche's loss after 300 steps at 256 pixels, one pair, 90 evaluations came as far as pastiche;
    150 from half the size came to 1.25 times that loss, and 170 from full size to 1.36 times.

    Args:
        size: longer side, pixels.
    """
    coarse = {size // by: steps for by, steps in COARSE_STEPS.items() if size // by >= SMALLEST}
    stages = {"scales": [*coarse], "steps": [*coarse.values(), 1]} if coarse else {}
    return {**FASTEST, "optimizer": "lbfgs:history_size=100", **stages}
