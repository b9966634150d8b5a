"""Suite ``evaluation``: one evaluation of the objective, forward and backward, against the machine's limit.

Rates count the floating-point operations of the convolutions by the direct algorithm, and nothing else
that an evaluation does. The ceiling is the rate of matrix products in the same precision, measured in
turns with it. The rival is the plain eager loop: float32, NCHW, the whole network of torchvision's shape,
losses as in the notebook.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor

from impasto.images.tensors import resized
from impasto.jobs.run import prepare_run
from impasto.model.precision import precision_name
from impasto.optimization import compiling
from impasto.optimization.compiling import Evaluate
from impasto.optimization.loop import begin
from impasto.optimization.state import Run
from impasto.settings.settings import gather
from impasto_profiling.bench.clock import Sampler, take_turns, timed, timed_on
from impasto_profiling.bench.neutral import NotebookObjective
from impasto_profiling.bench.notebook import pictures
from impasto_profiling.bench.plan import Plan
from impasto_profiling.bench.record import Comparison, Figure, compared, figure
from impasto_profiling.ceiling import matrix_rate
from impasto_profiling.convolutions import convolution_flops

SIZES = (128, 256, 512, 1024)


def measure(plan: Plan) -> Iterator[Comparison]:
    """Rates and times at each size, of the first pair."""
    for size in plan.sizes(*SIZES):
        plan.say(f"evaluation: {size} px")
        run = ready(plan, size)
        work = operations(run)
        image = started(run)
        contestants: dict[str, Sampler] = {
            "impasto": partial(evaluation, run, run.prepared.evaluate, image),
            "plain": plain_loop(plan.pairs[0], size),
            "ceiling": partial(matrix_rate, run.precision, run.device),
        }
        if plan.compile:
            other, name = the_other(run)
            contestants[name] = partial(evaluation, run, other, image)
        figures = take_turns(contestants, plan.choose(*rounds(size)), warm_up=2)
        yield from comparisons(size, precision_name(run.precision), work, figures)


def rounds(size: int) -> tuple[int, int]:
    """Rounds of a quick and of a full run."""
    return (7, 30) if size <= 256 else (3, 15)


def ready(plan: Plan, size: int) -> Run:
    """A run with the default preset's objective, in one stage."""
    content, style = plan.pairs[0]
    given = {"content": content, "style": style, "size": size, "scales": "single"}
    return prepare_run(gather(given, "default", None))


def started(run: Run) -> Tensor:
    """Targets made; the picture that is evaluated, as a leaf of the graph."""
    stage = run.stages[-1]
    begin(run, stage)
    assert run.canvas is not None
    noise = torch.rand(
        (1, 3, stage.height, stage.width), generator=torch.Generator().manual_seed(0)
    )
    image = resized(run.picture(), stage.height, stage.width).detach() + 0.02 * noise.to(run.device)
    return image.requires_grad_()


def operations(run: Run) -> float:
    """Floating-point operations of the convolutions, forward and backward, in units of 10⁹.

    Args:
        run: to count for.
    """
    # Counted on torch's device without numbers, where every convolution goes torch's plain way.
    extractor, last = copy.deepcopy(run.objective.extractor).to("meta"), run.stages[-1]
    counted = convolution_flops(extractor, last.height, last.width)
    return sum(one.both for one in counted.values()) / 1e9


def evaluation(run: Run, evaluate: Evaluate, image: Tensor) -> float:
    """Seconds of a loss with its gradient."""

    def once() -> None:
        image.grad = None
        torch.autograd.backward(evaluate(image)[0])

    return timed_on(run.device, once)


def plain_loop(pair: tuple[str, str], size: int) -> Sampler:
    """The plain eager loop's evaluation, on the CPU."""
    content, style = pictures(pair, size)
    objective = NotebookObjective(content, style)
    image = content.clone().requires_grad_()

    def once() -> None:
        image.grad = None
        torch.autograd.backward(objective(image))

    return lambda: timed(once)


def the_other(run: Run) -> tuple[Evaluate, str]:
    """The objective compiled if the engine chose eager, and the other way round."""
    if not run.prepared.compiled:
        return compiling.compiled(run.objective), "compiled"
    return run.objective, "eager"


def comparisons(
    size: int, precision: str, work: float, figures: dict[str, Figure]
) -> Iterator[Comparison]:
    """The rate against the ceiling, and times against the plain loop and the other choice."""
    ours = figures["impasto"]
    rate = figure("impasto", [work / seconds for seconds in ours.samples])
    ceiling = replace_name(figures["ceiling"], f"ceiling, {precision} matrix product")
    yield compared(
        "evaluation", f"{size} px, {precision}, rate of the convolutions", "GFLOP/s", rate, ceiling,
        better="higher", gflop=work,
    )  # fmt: skip
    names = {"plain": "plain eager loop, float32", "compiled": "compiled", "eager": "eager"}
    for key, name in names.items():
        if key in figures:
            rival = replace_name(figures[key], name)
            yield compared("evaluation", f"{size} px, forward and backward", "s", ours, rival)


def replace_name(one: Figure, name: str) -> Figure:
    """The same figure under another name."""
    return one.model_copy(update={"name": name})
