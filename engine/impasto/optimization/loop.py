"""The loop: stages, steps, hooks. Everything else is prepared before it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import cast

import torch
from torch import Tensor

from impasto.images.tensors import resized, to_picture
from impasto.model.color import LuminanceCanvas, gray
from impasto.model.scopes import scope
from impasto.optimization.ema import EMA
from impasto.optimization.guard import EVERY, Guard
from impasto.optimization.hardware import precision_name
from impasto.optimization.memory import configure_malloc
from impasto.optimization.saved_state import load_stage_state
from impasto.optimization.schedule import advance, make_schedule
from impasto.optimization.stages import carry_over
from impasto.optimization.state import Result, Run, Stage, Step
from impasto.settings.style import shares


def paint(run: Run) -> Result:
    """Optimize the canvas, stage by stage.

    Raises:
        ImpastoError: a plugin refused the run.
        BaseException: whatever ended it early, after ``impasto_run_failed``; ``run`` still has the
            canvas.
    """
    try:
        run.host.notify("impasto_before_run", run=run)
        run.started = time.perf_counter()
        for stage in run.stages_ahead():
            begin(run, stage)
            run.host.notify("impasto_before_stage", run=run, stage=stage)
            while run.done_in(stage) < stage.steps and not run.stopping:
                run.host.notify("impasto_after_step", run=run, step=take_step(run, stage))
            leave_a_picture(run)
            run.host.notify("impasto_after_stage", run=run, stage=stage)
            if run.stopping:
                break
    except BaseException as error:
        run.host.notify("impasto_run_failed", run=run, error=error)
        # The error that ended the run is the one to show, even if the device is gone with it.
        with suppress(Exception):
            leave_a_picture(run)
        raise
    result = result_of(run)
    run.host.notify("impasto_after_run", run=run, result=result)
    return result


def begin(run: Run, stage: Stage) -> None:
    """Make targets, canvas and optimizer of a stage; the canvas goes on from the last one."""
    run.whole = False
    size, settings = (stage.height, stage.width), run.settings
    content = resized(run.content, *size).to(run.device)
    styles = run.styles_at(stage)
    only_luminance = settings.colors == "luminance"
    regions = [region.at(*size).to(run.device) for region in run.regions]
    target = gray(content) if only_luminance else content
    run.objective.set_targets(target, styles, shares(settings.style), regions)
    start = resized(run.picture().to(run.device), *size)
    canvas = run.host.make("canvas", settings.canvas, start).to(run.device)
    run.canvas = LuminanceCanvas(canvas, content) if only_luminance else canvas
    parameters = list(run.canvas.parameters())
    optimizer = run.host.make("optimizer", settings.optimizer, parameters)
    run.guard = Guard(optimizer, parameters)
    if run.optimizer is not None:
        carry_over(run.optimizer, optimizer)
    run.optimizer, run.stage = optimizer, stage
    run.ema = EMA(settings.ema) if settings.ema else None
    run.schedule = None
    if settings.schedule is not None:
        run.schedule = make_schedule(settings.schedule, optimizer, stage.steps)
    if run.resumed:
        load_stage_state(run, run.resumed)
        run.resumed = None
    configure_malloc(stage.width * stage.height)
    run.whole = True


def take_step(run: Run, stage: Stage) -> Step:
    """One step of the optimizer. It may evaluate the closure several times; the first one counts."""
    canvas, optimizer, guard = run.canvas, run.optimizer, run.guard
    assert canvas is not None
    assert optimizer is not None
    assert guard is not None
    evaluations: list[tuple[Tensor, Tensor]] = []

    def closure() -> Tensor:
        # Not the optimizer's zero_grad, which imports torch's compiler: seconds, and much memory.
        canvas.zero_grad()
        with scope(f"canvas/{run.settings.canvas.name}"):
            image = canvas()
        with scope("objective"):
            total, terms = run.evaluate(image)
        with scope("backward"):
            torch.autograd.backward(total)
        guard.watch(total)
        evaluations.append((total.detach(), terms.detach()))
        run.whole = False
        return total

    with scope(f"optimizer/{run.settings.optimizer.name}"):
        # torch annotates the closure as returning float; its optimizers want the tensor.
        optimizer.step(cast("Callable[[], float]", closure))
        canvas.project()
    run.step += 1
    total, terms = evaluations[0]
    if run.ema is not None:
        run.ema.update(canvas)
    if run.schedule is not None:
        advance(run.schedule, total)
    guard.note(total)
    if run.done_in(stage) % EVERY == 0:
        guard.check(optimizer, run.schedule)
    run.loss_tensors.append(total)
    run.last_step = Step(run.step, stage, run.objective.names, total, terms)
    run.whole = True
    return run.last_step


def leave_a_picture(run: Run) -> None:
    """See :meth:`impasto.optimization.guard.Guard.leave_a_picture`."""
    if run.guard is not None:
        run.guard.leave_a_picture()


def result_of(run: Run, stopped: str = "") -> Result:
    """The result as it stands, also of a run that ended early."""
    image = run.picture().cpu()
    alpha = run.photo.alpha if run.photo is not None else None
    alpha = None if alpha is None else resized(alpha, *image.shape[-2:])
    return Result(
        picture=to_picture(image, alpha),
        image=image,
        alpha=alpha,
        losses=run.losses(),
        terms=run.last_step.terms if run.last_step else {},
        steps=run.step,
        seconds=run.seconds,
        settings=run.settings,
        device=str(run.device),
        precision=precision_name(run.precision),
        weights=run.objective.extractor.weights,
        stopped=stopped or run.stopping or "",
    )
