"""Suite ``equal``: the losses that each reaches in the seconds that pastiche takes.

With pastiche's objective the rival is pastiche 1.6.0, in a process of its own; with the notebook's it is the
plain loop, eager and by torch.compile where that runs. Neutral code evaluates all pictures. Start-up is left
out for all, and so is what compiling takes; the targets count for the engine alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from impasto.images.tensors import open_picture, to_tensor
from impasto.settings.settings import Settings
from impasto_profiling.bench import notebook, pastiche
from impasto_profiling.bench.best import for_a_long_race
from impasto_profiling.bench.clock import StopWatch, timed
from impasto_profiling.bench.neutral import NotebookObjective, PasticheObjective
from impasto_profiling.bench.pastiche_program import Job, check_installed, is_step, run_pastiche
from impasto_profiling.bench.plan import Plan, name_of
from impasto_profiling.bench.record import Comparison, compared, figure
from impasto_profiling.bench.seek import seek

Objective = Callable[[Tensor], Tensor]
"""Picture, (1, 3, H, W) sRGB → loss."""


@dataclass(frozen=True)
class Loop:
    """What the notebook's loop came to."""

    loss: float
    steps: int
    compiling: float = 0.0
    """Seconds of the first evaluation, which is not counted, where the loop is compiled."""


def measure(plan: Plan) -> Iterator[Comparison]:
    """Both objectives, for each pair of pictures."""
    check_installed()
    (size,), steps = plan.sizes(pastiche.SIZE), plan.steps_of(pastiche.QUICK_STEPS, pastiche.STEPS)
    for pair in plan.pairs:
        plan.say(f"equal: {name_of(pair)}, {steps} steps of pastiche at {size} px")
        seconds, made = beside_pastiche(plan, pair, size, steps)
        yield made
        plan.say(f"equal: {name_of(pair)}, {seconds:.0f} s of each with the notebook's objective")
        yield from beside_the_loop(plan, pair, size, seconds)


def beside_pastiche(
    plan: Plan, pair: tuple[str, str], size: int, steps: int
) -> tuple[float, Comparison]:
    """Let pastiche paint, and the engine for as long: the seconds, and both losses."""
    files = pastiche.prepared(pair, size, plan.folder)
    objective = PasticheObjective(*(to_tensor(open_picture(file)) for file in files))

    def loss_of(image: Tensor) -> Tensor:
        return objective(pastiche.as_8_bits(image))

    job = Job(*pair, plan.folder / "pastiche.png", size, steps)
    done = run_pastiche(job)
    seconds = done.first(is_step(steps)) - done.first(is_step(0))
    with torch.no_grad():
        theirs = float(loss_of(to_tensor(open_picture(job.output))))
    ours = loss_after(seconds, pastiche.engine_settings(*files, size), loss_of)
    return seconds, compared(
        "equal", f"{name_of(pair)}, {size} px, pastiche's loss after {seconds:.1f} s", "loss",
        figure("impasto", [ours]), figure("pastiche", [theirs]), pastiche_steps=steps,
    )  # fmt: skip


def beside_the_loop(
    plan: Plan, pair: tuple[str, str], size: int, seconds: float
) -> Iterator[Comparison]:
    """The engine and the notebook's loop, eager and compiled, for as long."""
    content, style = notebook.pictures(pair, size)
    objective = NotebookObjective(content, style)
    loops = {"plain loop, float32": loop(objective, objective, content, seconds)}
    try:
        compiled = torch.compile(objective.__call__)
        loops["plain loop, torch.compile"] = loop(compiled, objective, content, seconds)
    except Exception as error:
        # A machine without a C++ compiler, or a version of torch without this Python.
        plan.say(f"equal: torch.compile does not run here: {str(error).partition(chr(10))[0]}")
    settings = notebook.engine_settings(pair, size, for_a_long_race(size))
    ours = figure("impasto", [loss_after(seconds, settings, objective)])
    for name, one in loops.items():
        yield compared(
            "equal", f"{name_of(pair)}, {size} px, notebook's loss after {seconds:.1f} s", "loss",
            ours, figure(name, [one.loss]), loop_steps=one.steps, seconds_of_compiling=one.compiling,
        )  # fmt: skip


def loss_after(seconds: float, settings: Settings, loss_of: Objective) -> float:
    """The engine's loss, where it was last looked at before these seconds were over."""
    trail = seek(settings, loss_of, -float("inf"), seconds).trail
    before = [loss for at, loss in trail if at <= seconds]
    return before[-1] if before else trail[0][1]


def loop(evaluate: Objective, objective: Objective, content: Tensor, seconds: float) -> Loop:
    """The notebook's loop, see :class:`impasto_profiling.bench.notebook.PlainLoop`, for some seconds.

    Args:
        evaluate: what the loop minimizes, perhaps compiled; called once before the time runs.
        objective: the same, by neutral code, for the loss at the end.
        content: (1, 3, H, W) sRGB in [0, 1], the start.
        seconds: after which it ends with the step that it is at.
    """
    plain = notebook.PlainLoop(evaluate, content)
    compiling, watch, steps = timed(plain.backward), StopWatch(), 0
    while watch.seconds < seconds:
        with watch.running():
            plain.step()
        steps += 1
    return Loop(plain.loss(objective), steps, compiling)
