"""The loop: stages, steps, hooks. Everything else is prepared before it."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import cast

import torch
from torch import Tensor, nn

from impasto.errors import PluginError, defined_at, with_place
from impasto.images.tensors import resized
from impasto.model.canvas import Canvas
from impasto.model.color import LuminanceCanvas, gray
from impasto.model.returned import refuse_other_parameters, refuse_other_picture
from impasto.model.scopes import scope
from impasto.model.torus import periodic
from impasto.optimization.ema import EMA
from impasto.optimization.guard import EVERY, Guard
from impasto.optimization.initial_image import with_detail
from impasto.optimization.making import made
from impasto.optimization.outcome import result_of
from impasto.optimization.result import Result, Step
from impasto.optimization.schedule import advance, make_schedule
from impasto.optimization.stages import Stage, carry_over
from impasto.optimization.state import Run, StageState
from impasto.optimization.without_compiler import without_compiler


def paint(run: Run) -> Result:
    """Optimize the canvas, stage by stage.

    Raises:
        ImpastoError: a plugin refused the run.
        BaseException: whatever ended it early, after ``impasto_run_failed``; ``run`` still has the
            canvas.
    """
    try:
        for _ in steps_of(run):
            pass
    except BaseException as error:
        fail(run, error)
        raise
    return finish(run)


def steps_of(run: Run) -> Iterator[Step]:
    """Take the steps of all stages ahead, and call the hooks around them.

    Yields:
        Each step, after the hooks. Who takes no more has to call :func:`fail` or :func:`finish`.
    """
    run.host.notify("impasto_before_run", run=run)
    run.started = time.perf_counter()
    for stage in run.stages_ahead():
        begin(run, stage)
        run.host.notify("impasto_before_stage", run=run, stage=stage)
        while run.steering.goes_on(stage):
            step = take_step(run)
            run.host.notify("impasto_after_step", run=run, step=step)
            yield step
        if run.has_state_to_load:
            continue
        leave_a_picture(run)
        if not run.stopping:
            run.end(stage)
        run.host.notify("impasto_after_stage", run=run, stage=stage)
        if run.stopping:
            break


def fail(run: Run, error: BaseException) -> None:
    """End a run early, because of an error: tell the plugins, and leave a picture."""
    run.steering.end()
    run.host.notify("impasto_run_failed", run=run, error=error)
    # The error that ended the run is the one to show, even if the device is gone with it.
    with suppress(Exception):
        leave_a_picture(run)


def finish(run: Run) -> Result:
    """End a run whose steps are done, and tell the plugins."""
    run.steering.end()
    result = result_of(run)
    run.host.notify("impasto_after_run", run=run, result=result)
    return result


@without_compiler()
def begin(run: Run, stage: Stage) -> None:
    """Make targets, canvas and optimizer of a stage; the canvas goes on from the last one."""
    run.between_steps = False
    prepared, settings, size = run.prepared, run.settings, (stage.height, stage.width)
    wraps = settings.wraps
    start = resized(run.picture().to(run.device), *size, wraps)
    # Without content no loss compares with it, and the canvas gives the size.
    content = start
    if run.content is not None:
        content = periodic(resized(run.content, *size).to(run.device), wraps)
        if settings.content_detail and stage.number:
            start = with_detail(start, content, run.stages[stage.number - 1], settings)
    only_luminance = settings.colors == "luminance"
    seen = gray(content) if only_luminance else content
    run.objective.set_targets(
        seen,
        [
            style.statistics(stage, settings.style_fit, run.objective, run.device)
            for style in prepared.styles
        ],
        regions=[region.at(*size, wraps).to(run.device) for region in run.steering.regions()],
        stage=stage.number,
    )
    is_new = not run.has_state_to_load
    canvas = make_canvas(run, start, fresh=is_new and run.done_in(stage) == 0)
    canvas = LuminanceCanvas(canvas, content) if only_luminance else canvas
    parameters = list(canvas.parameters())
    optimizer = made(
        run.host, "optimizer", settings.optimizer, torch.optim.Optimizer, parameters,
        generator=prepared.generator,
    )  # fmt: skip
    blank = copy.deepcopy(optimizer.state_dict()["state"])
    if run.optimizer is not None and is_new:
        carry_over(run.optimizer, optimizer, wraps)
    schedule = (
        make_schedule(settings.schedule, optimizer, stage.steps) if settings.schedule else None
    )
    ema = EMA(settings.ema) if settings.ema else None
    guard = Guard(optimizer, parameters)
    run.begin(StageState(stage, canvas, optimizer, guard, schedule, ema, blank, seen))


def make_canvas(run: Run, start: Tensor, fresh: bool) -> Canvas:
    """The canvas of a stage, whose first picture with a gradient is checked when it comes.

    Args:
        run: names the canvas.
        start: (1, 3, H, W) sRGB in [0, 1], of the stage's size, on the device.
        fresh: whether the stage begins, and does not go on where a checkpoint left it.
    """
    canvas: Canvas = made(
        run.host, "canvas", run.settings.canvas, Canvas, start, generator=run.prepared.generator
    ).to(run.device)
    with scope(f"canvas/{run.settings.canvas.name}"):
        refuse_other_parameters(canvas)

    def check(canvas: nn.Module, given: object, image: object) -> None:
        refuse_other_picture(canvas, image, start, fresh)
        if torch.is_grad_enabled():
            hook.remove()

    hook = canvas.register_forward_hook(check)
    return canvas


def take_step(run: Run) -> Step:
    """One step of the optimizer. It may evaluate the closure several times; the first one counts."""
    assert run.current is not None
    current, evaluations = run.current, list[tuple[Tensor, Tensor]]()
    run.objective.before_step(run)

    def closure() -> Tensor:
        if not torch.is_grad_enabled():
            raise PluginError(
                "the closure was called where gradients are off; call it within"
                " 'with torch.enable_grad():'"
            )
        # Not the optimizer's zero_grad, which imports torch's compiler: seconds, and much memory.
        current.canvas.zero_grad()
        with scope(f"canvas/{run.settings.canvas.name}"):
            image = current.canvas()
        with scope("objective"):
            total, terms = run.prepared.evaluate(image)
        with scope("backward"):
            torch.autograd.backward(total)
        current.guard.watch(total)
        evaluations.append((total.detach(), terms.detach()))
        run.between_steps = False
        return total

    with scope(f"optimizer/{run.settings.optimizer.name}"):
        # torch annotates the closure as returning float; its optimizers want the tensor.
        current.optimizer.step(cast("Callable[[], float]", closure))
        if not evaluations:
            raise PluginError(
                with_place(
                    f"{type(current.optimizer).__name__}.step",
                    defined_at(type(current.optimizer).step),
                )
                + " did not call the closure, which computes loss and gradients"
            )
        current.canvas.project()
    total, terms = evaluations[0]
    finish_step(run, current, total)
    run.terms_tensors.append(terms)
    run.last_step = Step(run.step, current.stage, run.objective.names, total, terms)
    run.mark_between_steps()
    return run.last_step


def finish_step(run: Run, current: StageState, total: Tensor) -> None:
    """Count a step, and let what watches the stage follow it.

    Args:
        run: its optimizer has taken the step.
        current: its stage.
        total: the loss before the step.
    """
    run.step += 1
    if current.ema is not None:
        current.ema.update(current.canvas)
    if current.schedule is not None:
        advance(current.schedule, total)
    current.guard.note(total)
    if run.done_in(current.stage) % EVERY == 0:
        current.guard.check(current.optimizer, current.schedule)
    run.loss_tensors.append(total)


def leave_a_picture(run: Run) -> None:
    """See :meth:`impasto.optimization.guard.Guard.leave_a_picture`."""
    if run.current is not None:
        run.current.guard.leave_a_picture()
