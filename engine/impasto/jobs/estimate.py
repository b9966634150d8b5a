"""How much memory and time a run will take; nothing is painted.

Memory is the process as it stands after a trial of a few small steps, plus all tensors that are alive at
once in one evaluation of the largest stage, which is gone through on torch's ``meta`` device: shapes
without values. So it holds for any extractor, loss and canvas. What the optimizer keeps is measured in
the trial and grows with the canvas. Time is measured, see :mod:`impasto.jobs.trial`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from impasto.errors import ImpastoError
from impasto.images.reading import Photo
from impasto.jobs.run import prepare_run
from impasto.jobs.trial import SIZES, seconds_of_stages, take, trial_stage, with_restarts
from impasto.model import gpu
from impasto.model.objective import Objective
from impasto.model.precision import precision_name
from impasto.optimization.failures import failures_named
from impasto.optimization.loop import begin
from impasto.optimization.memory import resident_bytes
from impasto.optimization.optimizer_memory import kept_bytes
from impasto.optimization.stages import Stage
from impasto.optimization.state import Prepared, Run
from impasto.optimization.style_statistics import StylePicture
from impasto.optimization.tensor_memory import LiveTensors
from impasto.optimization.tiling import overhead
from impasto.optimization.without_compiler import shapes_without_compiler
from impasto.settings.settings import Settings


@dataclass(frozen=True)
class Estimate:
    """What a run will take."""

    stages: tuple[Stage, ...]
    seconds: tuple[float, ...]
    """Seconds of each stage, without starting and saving."""
    parts: dict[str, int]
    """Bytes: ``process``, ``optimizer``, ``evaluation``; together the peak."""
    trial: str
    """What the time was measured on."""
    device: str
    precision: str
    compiled: bool

    @property
    def peak_bytes(self) -> int:
        """Largest resident set of the process; on a GPU the most that is taken of its memory."""
        return sum(self.parts.values())

    def as_record(self) -> dict[str, object]:
        """The estimate as one JSON record."""
        return {
            "stages": [
                {**stage.__dict__, "seconds": round(seconds, 3)}
                for stage, seconds in zip(self.stages, self.seconds, strict=True)
            ],
            "seconds": round(sum(self.seconds), 3),
            "seconds_from": self.trial,
            "peak_bytes": self.peak_bytes,
            "parts_bytes": self.parts,
            "device": self.device,
            "precision": self.precision,
            "compiled": self.compiled,
        }


def estimate_settings(
    settings: Settings,
    before_stage: Callable[[], None] = lambda: None,
    content: Photo | None = None,
    styles: Sequence[Photo | None] = (),
    observers: Sequence[object] = (),
) -> Estimate:
    """Estimate a run. It takes the time of start-up and of a few small steps.

    Args:
        settings: of the run; nothing is written, and callbacks are left out.
        before_stage: called at the beginning of the trial.
        content: the content picture if it is in memory already.
        styles: the style pictures that are in memory already, None for the others; or nothing.
        observers: plugins that the settings need, as objects.

    Raises:
        ImpastoError: what would refuse the run, or a plugin that needs values, not only shapes.
    """
    alone = replace(settings, output=None, callback=())
    prepared = prepare_run(alone, content, styles, observers).prepared
    run = Run(replace(prepared, evaluate=prepared.objective))
    compiled = prepared.compiled
    stages, last, device = tuple(run.stages), run.stages[-1], run.device
    # Copied before the trial, in which losses may keep tensors that have values.
    shapes = copy.deepcopy(run.objective).to("meta")
    scales = (style.scale * last.strokes for style in settings.style)
    smallest = run.objective.extractor.smallest_side / min(1, *scales)
    trials = [take(run, trial_stage(stages[0], SIZES[0], smallest), before_stage)]
    kept = kept_by_optimizer(run)
    process = resident_bytes() if device.type == "cpu" else bytes_of(run.objective)
    fixed = gpu.CONTEXT if gpu.is_cuda(device) else 0
    pixels = last.width * last.height
    larger = trial_stage(last, SIZES[1], smallest)
    if larger.width * larger.height > trials[0].pixels:
        trials.append(take(run, larger, before_stage))
    with failures_named(run.host, run.settings, run.objective):
        restarts = run.objective.restarts(last.steps)
    trials = [with_restarts(one, prepared, last.steps, restarts) for one in trials]
    largest = on_meta_device(run.prepared, shapes)
    return Estimate(
        stages=stages,
        seconds=seconds_of_stages(stages, trials, fixed > 0, restarts),
        parts={
            "process": process + fixed,
            "optimizer": round(kept * pixels / trials[0].pixels),
            "evaluation": round(overhead(run.objective) * bytes_of_evaluation(largest, last)),
        },
        trial=f"{' and '.join(map(str, trials))}, measured now"
        + (", not compiled" if compiled else ""),
        device=str(device),
        precision=precision_name(run.precision),
        compiled=compiled,
    )


def kept_by_optimizer(run: Run) -> int:
    """Bytes that the optimizer keeps from step to step, of what grows with the canvas.

    Args:
        run: whose optimizer has taken a few steps.
    """
    assert run.canvas is not None
    assert run.optimizer is not None
    return kept_bytes(run.optimizer, sum(one.numel() for one in run.canvas.parameters()))


def bytes_of_evaluation(run: Run, stage: Stage) -> int:
    """Bytes of all tensors that are alive at once in a stage's targets, loss and gradient.

    Args:
        run: see :func:`on_meta_device`.
        stage: the largest.

    Raises:
        ImpastoError: a plugin needs values, not only shapes.
    """
    live = LiveTensors()
    try:
        with live, shapes_without_compiler():
            begin(run, stage)
            assert run.canvas is not None
            total, _ = run.objective(run.canvas())
            torch.autograd.backward(total)
    except (NotImplementedError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise ImpastoError(
            f"memory cannot be estimated: a plugin needs values, not only shapes ({reason})"
        ) from error
    return live.peak


def on_meta_device(prepared: Prepared, shapes: Objective) -> Run:
    """The same run on the ``meta`` device, where only shapes are computed.

    Args:
        prepared: of the run.
        shapes: its objective on that device.
    """
    on_meta = replace(
        prepared,
        device=torch.device("meta"),
        objective=shapes,
        evaluate=shapes,
        content=prepared.content
        and replace(prepared.content, image=prepared.content.image.to("meta")),
        initial_image=prepared.initial_image.to("meta"),
        styles=[
            replace(style, image=style.image.to("meta"), mask=_on_meta(style.mask))
            if isinstance(style, StylePicture)
            else style
            for style in prepared.styles
        ],
    )
    return Run(on_meta)


def _on_meta(mask: Tensor | None) -> Tensor | None:
    return None if mask is None else mask.to("meta")


def bytes_of(module: torch.nn.Module) -> int:
    """Bytes of a module's parameters and buffers."""
    tensors = [*module.parameters(), *module.buffers()]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
