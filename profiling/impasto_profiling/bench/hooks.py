"""Suite ``hooks``: what twenty callbacks that do nothing add to a step, at a size where steps are short.

Two runs take turns, step by step, one with the callbacks and one without; a sample is a block of steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import impasto
from impasto.jobs.run import prepare_run
from impasto.model.gpu import synchronize
from impasto.optimization.loop import begin, take_step
from impasto.optimization.result import Step
from impasto.optimization.state import Run
from impasto.settings.settings import gather
from impasto_profiling.bench.clock import timed
from impasto_profiling.bench.plan import Plan
from impasto_profiling.bench.record import Comparison, compared, figure

SIZE, CALLBACKS, BLOCK = 128, 20, 8
"""Steps of a block: enough that one that was disturbed does not make a sample by itself."""


class Idle:
    """A callback that does nothing."""

    @impasto.hookimpl
    def impasto_after_step(self, run: Run, step: Step) -> None:
        pass


def measure(plan: Plan) -> Iterator[Comparison]:
    """The fraction of a step that is added, and what the calls take by themselves."""
    (size,), blocks = plan.sizes(SIZE), plan.choose(8, 30)
    plan.say(f"hooks: {blocks} blocks of {BLOCK} steps at {size} px")
    runs = ready(plan, size, 0), ready(plan, size, CALLBACKS)
    fractions, plain, calls = [], [], []
    for number in range(blocks + 1):
        without, with_them = block(*runs)
        if number:
            plain.append(1000 * without / BLOCK)
            fractions.append(100 * (with_them / without - 1))
            calls.append(1000 * timed(partial(notify, runs[1])))
    yield compared(
        "hooks", f"{size} px, added by {CALLBACKS} callbacks, fraction of a step", "%",
        figure("impasto", fractions), milliseconds_a_step=figure("plain", plain).median,
    )  # fmt: skip
    yield compared(
        "hooks", f"calls of {CALLBACKS} callbacks, one step", "ms", figure("impasto", calls)
    )


def ready(plan: Plan, size: int, callbacks: int) -> Run:
    """A run of the default preset's objective that has begun, with so many callbacks."""
    content, style = plan.pairs[0]
    given = {"content": content, "style": style, "size": size, "scales": "single", "steps": 10_000}
    run = prepare_run(gather(given, "default", None))
    for number in range(callbacks):
        run.host.register(Idle(), f"idle-{number}", "impasto bench")
    begin(run, run.stages[0])
    return run


def block(without: Run, with_them: Run) -> tuple[float, float]:
    """Seconds of a block of steps of each; which goes first changes from step to step."""
    seconds = {id(without): 0.0, id(with_them): 0.0}
    for number in range(BLOCK):
        pair = (without, with_them) if number % 2 else (with_them, without)
        for run in pair:
            seconds[id(run)] += timed(partial(one_step, run), partial(synchronize, run.device))
    return seconds[id(without)], seconds[id(with_them)]


def one_step(run: Run) -> None:
    """A step and its hooks, as the loop does them."""
    run.host.notify("impasto_after_step", run=run, step=take_step(run))


def notify(run: Run) -> None:
    """Call the hooks alone."""
    run.host.notify("impasto_after_step", run=run, step=run.last_step)
