"""What limits a run, in a sentence or two."""

from __future__ import annotations

from collections.abc import Sequence

from impasto_profiling.report import LayerRate, StageReport

NEAR = 0.7
"""Fraction of the ceiling from which on a convolution counts as near it."""


def findings(stages: Sequence[StageReport], ceiling: float) -> list[str]:
    """One or two sentences about the stage that takes the most time.

    Args:
        stages: that were recorded; none gives no sentence.
        ceiling: GFLOP/s of a matrix product.
    """
    if not stages:
        return []
    stage = max(stages, key=lambda one: one.step * one.planned)
    second = compiling(stages) or plugins(stage) or memory(stage)
    return [limit(stage, ceiling), *filter(None, [second])]


def limit(stage: StageReport, ceiling: float) -> str:
    """What takes the most time of a step, and whether the machine could do it faster."""
    fraction = sum(layer.fraction for layer in stage.layers)
    size = f"At {stage.width} × {stage.height}"
    if fraction < 0.5:
        # Rows of the network as a whole would hide what the convolutions leave.
        most_expensive = stage.parts[0]
        return (
            f"{size} the convolutions take {fraction:.0%} of a step; the most expensive part is"
            f" {most_expensive.name} with {most_expensive.fraction:.0%}: that is where to look."
        )
    rate = sum(one.done_rate * one.seconds for one in stage.layers) / sum(
        one.seconds for one in stage.layers
    )
    taken = f"{size} the convolutions take {fraction:.0%} of a step, at {rate:.0f} GFLOP/s"
    if rate >= NEAR * ceiling:
        return (
            f"{taken}, {rate / ceiling:.0%} of a matrix product's rate: the machine is the limit, and a"
            " smaller size, fewer layers or a lower precision help, little else."
        )
    slow = worth_most(stage.layers, ceiling)
    return (
        f"{taken}, only {rate / ceiling:.0%} of a matrix product's rate; the most is lost in"
        f" {slow.layer}, which runs at {slow.done_rate:.0f} GFLOP/s and takes {slow.fraction:.0%} of a step."
    )


def worth_most(layers: Sequence[LayerRate], ceiling: float) -> LayerRate:
    """The layer where reaching the ceiling would save the most time."""
    return max(layers, key=lambda one: one.seconds * (1 - min(1.0, one.done_rate / ceiling)))


def plugins(stage: StageReport) -> str:
    """Whether hooks of observers take a good part of a step."""
    hooks = [part for part in stage.parts if part.name.startswith("plugin/")]
    fraction = sum(part.fraction for part in hooks)
    if fraction < 0.05:
        return ""
    return f"Hooks of plugins take {fraction:.0%} of a step, most of it {hooks[0].name}."


def compiling(stages: Sequence[StageReport]) -> str:
    """What compiling cost, in steps."""
    seconds = sum(stage.compiling or 0.0 for stage in stages)
    step = stages[-1].usual_step or stages[-1].step
    if seconds < step:
        return ""
    return (
        f"Compiling took {seconds:.1f} s, as long as {seconds / step:.0f} steps of the last stage."
    )


def memory(stage: StageReport) -> str:
    """Where the memory peaked, and who held the most of it."""
    if stage.peak is None:
        return ""
    peak = stage.peak
    peaked = f"Memory peaked in {peak.part}, {peak.mebibytes:.0f} MiB above what the run holds"
    most = [f"{one.part} with {one.mebibytes:.0f} MiB" for one in peak.holders[:2]]
    return f"{peaked}; most of it was held by {' and '.join(most)}." if most else f"{peaked}."
