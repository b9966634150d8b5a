"""The report as pictures: a roofline, and the parts of a step as stacked bars."""

from __future__ import annotations

import math
from pathlib import Path

import numpy
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from impasto.files.outputs import Outputs
from impasto_profiling.report import Report, StageReport

SHOWN = 9
"""Parts with a color of their own; the others are one."""
NAMED = 24
"""Layers that are named, those that take the most time."""
LISTED = 4
"""Small parts that are named together."""


def write_plots(report: Report, folder: Path, step: int, outputs: Outputs) -> None:
    """Write ``roofline.png`` and ``parts.png`` into the folder, and log them for TensorBoard.

    Args:
        report: with one recorded stage or more; with none nothing is written.
        folder: of the profile.
        step: of the run, under which TensorBoard shows them.
        outputs: of the run.
    """
    # Imported here, since it takes a second.
    from torch.utils.tensorboard import SummaryWriter

    if not report.stages:
        return
    with SummaryWriter(str(folder)) as writer:
        for name, figure in (("roofline", roofline(report)), ("parts", bars(report))):
            with outputs.writing(folder / f"{name}.png") as part:
                figure.savefig(part, format="png", dpi=120)
            writer.add_image(f"profile/{name}", pixels(figure), step, dataformats="HWC")


def roofline(report: Report) -> Figure:
    """Each layer's rate of what it computed over its operations a byte, under what the machine can do."""
    figure, axes = _figure(9, 5)
    layers = [one for stage in report.stages for one in stage.layers if one.done_rate > 0]
    across, up = [one.intensity for one in layers], [one.done_rate for one in layers]
    ends = numpy.geomspace(min([1.0, *across]) / 2, max([100.0, *across]) * 2, 200)
    for bandwidth, style, where in (
        (report.cache_bandwidth or report.bandwidth, "-", "from caches"),
        (report.bandwidth, "--", "from main memory"),
    ):
        axes.plot(ends, roof(report.ceiling, bandwidth, ends), style, color="black",
                  label=f"{report.ceiling:.0f} GFLOP/s, {bandwidth:.0f} GB/s {where}")  # fmt: skip
    lowest, highest = min([report.ceiling / 20, *up]) / 2, report.ceiling * 2
    axes.set(
        xscale="log", yscale="log", xlabel="FLOP for each byte of input, weight and output",
        ylabel="GFLOP/s computed, forward and backward", ylim=(lowest, highest),
        title=f"Convolutions of {report.name}: {report.precision} on {report.device}",
    )  # fmt: skip
    for stage in report.stages:
        shown = [one for one in stage.layers if one.done_rate > 0]
        axes.scatter([one.intensity for one in shown], [one.done_rate for one in shown], s=18,
                     label=f"{stage.width} × {stage.height}")  # fmt: skip
    _names(axes, report.stages[-1], lowest, highest)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", fontsize="small")
    return figure


def roof(ceiling: float, bandwidth: float, intensity: numpy.ndarray) -> numpy.ndarray:
    """GFLOP/s at most, for operations a byte."""
    return numpy.minimum(ceiling, intensity * bandwidth)


def bars(report: Report) -> Figure:
    """A bar for each stage: milliseconds of a step, by part."""
    figure, axes = _figure(9, max(3.6, 1.8 + 0.8 * len(report.stages)))
    total: dict[str, float] = {}
    for stage in report.stages:
        for part in stage.parts:
            total[part.name] = total.get(part.name, 0.0) + part.seconds / stage.steps
    ordered = sorted(total, key=lambda name: -total[name])
    shown, small = ordered[:SHOWN], ordered[SHOWN:]
    names = [f"stage {one.stage}: {one.width} × {one.height}" for one in report.stages]
    left = numpy.zeros(len(names))
    for place, name in enumerate([*shown, *(["others"] if small else [])]):
        times = numpy.array([_milliseconds(stage, name, shown) for stage in report.stages])
        named = _together(small) if name == "others" else name
        axes.barh(names, times, left=left, label=named, color=f"C{place}")
        left += times
    axes.invert_yaxis()
    axes.set(xlabel="milliseconds of a step", title=f"Parts of a step: {report.name}")
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), fontsize="small")
    return figure


def pixels(figure: Figure) -> numpy.ndarray:
    """The figure as (H, W, 3) bytes."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    levels = numpy.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    return levels[..., :3]


def _names(axes: Axes, stage: StageReport, lowest: float, highest: float) -> None:
    """Name the layers of a stage in a column beside the plot, each at a height of its own."""
    chosen = sorted(stage.layers, key=lambda one: -one.seconds)[:NAMED]
    chosen = sorted((one for one in chosen if one.done_rate > 0), key=lambda one: one.done_rate)
    span, gap, height = math.log(highest / lowest), 1 / NAMED, 0.0
    for place, one in enumerate(chosen):
        most = 1 - gap * (len(chosen) - place)
        height = min(max(height, math.log(one.done_rate / lowest) / span), most)
        axes.annotate(
            one.layer, (one.intensity, one.done_rate), xytext=(1.03, height), fontsize=7,
            textcoords="axes fraction", va="center", arrowprops={"arrowstyle": "-", "alpha": 0.3, "lw": 0.5},
        )  # fmt: skip
        height += gap


def _together(small: list[str]) -> str:
    """The small parts in one label."""
    more = f" and {len(small) - LISTED} more" if len(small) > LISTED else ""
    return "\n".join(["others:", *(f"  {name}" for name in small[:LISTED])]) + more


def _milliseconds(stage: StageReport, name: str, shown: list[str]) -> float:
    seconds = sum(
        part.seconds
        for part in stage.parts
        if part.name == name or (name == "others" and part.name not in shown)
    )
    return seconds / stage.steps * 1e3


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()
