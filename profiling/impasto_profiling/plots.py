"""The report as pictures: a roofline, and the parts of a step as stacked bars."""

from __future__ import annotations

from pathlib import Path

import numpy
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from impasto.files.outputs import Outputs
from impasto_profiling.report import Report, StageReport

SHOWN = 9
"""Parts with a color of their own; the others are one."""


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
    """Each layer's rate over its operations a byte, under what the machine can do at most."""
    figure, axes = _figure(8, 5)
    intensities = [one.intensity for stage in report.stages for one in stage.layers]
    ends = numpy.geomspace(min([1.0, *intensities]) / 2, max([100.0, *intensities]) * 2, 200)
    roof = numpy.minimum(report.ceiling, ends * report.bandwidth)
    axes.plot(ends, roof, color="black", label=f"ceiling: {report.ceiling:.0f} GFLOP/s, "
              f"{report.bandwidth:.0f} GB/s")  # fmt: skip
    for stage in report.stages:
        _points(axes, stage)
    axes.set(
        xscale="log", yscale="log", xlabel="FLOP for each byte of input, weight and output",
        ylabel="GFLOP/s, forward and backward",
        title=f"Convolutions of {report.name}: {report.precision} on {report.device}",
    )  # fmt: skip
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    return figure


def bars(report: Report) -> Figure:
    """A bar for each stage: milliseconds of a step, by part."""
    figure, axes = _figure(9, 1.8 + 0.8 * len(report.stages))
    total: dict[str, float] = {}
    for stage in report.stages:
        for part in stage.parts:
            total[part.name] = total.get(part.name, 0.0) + part.seconds / stage.steps
    shown = sorted(total, key=lambda name: -total[name])[:SHOWN]
    names = [f"stage {one.stage}: {one.width} × {one.height}" for one in report.stages]
    left = numpy.zeros(len(names))
    for place, name in enumerate([*shown, "others"]):
        times = numpy.array([_milliseconds(stage, name, shown) for stage in report.stages])
        axes.barh(names, times, left=left, label=name, color=f"C{place}")
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


def _points(axes: Axes, stage: StageReport) -> None:
    across, up = ([getattr(one, name) for one in stage.layers] for name in ("intensity", "rate"))
    axes.scatter(across, up, s=18, label=f"{stage.width} × {stage.height}")
    for one in stage.layers:
        axes.annotate(one.layer, (one.intensity, one.rate), fontsize=6, xytext=(3, 3),
                      textcoords="offset points")  # fmt: skip


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
