"""Suite ``gpu``: what only a card can tell, in about nine minutes. None has told it yet.

Losses in each precision, compiled and not, beside those of the processor; same seed, same bytes, also after
``kill -9``; the memory that a dry run promises; seconds of an evaluation by CUDA's events, beside the
plain loop on the same card, and the fraction of the card's matrix products.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

import impasto
from impasto.errors import SettingsError
from impasto.model import gpu
from impasto.model.precision import precision_name
from impasto.optimization.hardware import choose_device
from impasto.storage.checkpoint import NAME
from impasto_profiling.bench.clock import Sampler, take_turns, timed_on
from impasto_profiling.bench.evaluation import operations, ready, replace_name, started
from impasto_profiling.bench.neutral import NotebookObjective
from impasto_profiling.bench.notebook import pictures
from impasto_profiling.bench.plan import Plan
from impasto_profiling.bench.record import Comparison, compared, figure
from impasto_profiling.ceiling import matrix_rate

SMOKE, MEMORY, SPEED = (128, 512, 1024), (512, 1024), (512, 1024, 2048, 4096)
"""Longer sides, pixels."""
STEPS, QUICK_STEPS = 60, 6


def measure(plan: Plan) -> Iterator[Comparison]:
    """All of it, on the card that ``auto`` takes, of the first pair.

    Raises:
        SettingsError: there is none.
    """
    device = card()
    yield from smoke(plan, device)
    yield from promises(plan, device)
    yield from memory(plan, device)
    for size in plan.sizes(*SPEED):
        yield from speed(plan, device, size)


def card() -> torch.device:
    """The card that is measured.

    Raises:
        SettingsError: there is none.
    """
    device = choose_device("auto")
    if not gpu.is_cuda(device):
        raise SettingsError(
            f"an NVIDIA card is wanted, and 'auto' takes {device} here; the suite evaluation measures that"
        )
    return device


def painted(plan: Plan, size: int, **options: Any) -> impasto.Result:
    """A run of one stage."""
    content, style = plan.pairs[0]
    return impasto.run(content, style, size=size, scales="single", **{"steps": 3, **options})


def smoke(plan: Plan, device: torch.device) -> Iterator[Comparison]:
    """The third loss in each way of computing, beside the processor's in float32."""
    for size in plan.sizes(*SMOKE):
        plan.say(f"gpu: losses at {size} px")
        known = painted(plan, size, device="cpu", precision="float32", compile="off").losses[-1]
        for precision in ("float32", "bfloat16"):
            for compile_ in ("off", "on"):
                found = painted(
                    plan, size, device=str(device), precision=precision, compile=compile_
                )
                yield compared(
                    "gpu", f"{size} px, {precision}, compile {compile_}: third loss", "loss",
                    figure("impasto", [found.losses[-1]]), figure("the processor, float32", [known]),
                )  # fmt: skip


def promises(plan: Plan, device: torch.device) -> Iterator[Comparison]:
    """Pixels that differ where the same bytes are promised: of two runs, and of one that was killed."""
    (size, *_), steps = plan.sizes(256), plan.steps_of(QUICK_STEPS, STEPS)
    plan.say(f"gpu: same bytes at {size} px")
    given = {"device": str(device), "compile": "off", "steps": steps}
    first = painted(plan, size, **given).image
    for what, other in {
        "a second run": painted(plan, size, **given).image,
        "killed and resumed": killed_and_resumed(plan, size, given),
    }.items():
        differing = 100 * float((first != other).float().mean())
        yield compared(
            "gpu", f"{size} px, {what}: values that differ", "%", figure("impasto", [differing])
        )


def killed_and_resumed(plan: Plan, size: int, given: dict[str, Any]) -> torch.Tensor:
    """The picture of a run whose process was killed in between."""
    folder = plan.folder / "killed"
    words = [word for name, value in given.items() for word in (f"--{name}", str(value))]
    command = [
        sys.executable, "-m", "impasto", "run", *plan.pairs[0], "--size", str(size), "--scales", "single",
        *words, "-o", str(plan.folder / "killed.png"), "--force", "--quiet",
        "--checkpoint", str(folder), "--checkpoint-every", "0",
    ]  # fmt: skip
    process = subprocess.Popen(command, env=dict(os.environ))  # noqa: S603 the engine itself
    begun = written_at(folder)
    while process.poll() is None and written_at(folder) in (0, begun):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return impasto.resume(folder).image


def written_at(folder: Path) -> int:
    """When the checkpoint was written, in nanoseconds; 0 while there is none."""
    path = folder / NAME
    return path.stat().st_mtime_ns if path.exists() else 0


def memory(plan: Plan, device: torch.device) -> Iterator[Comparison]:
    """What tensors took of the card, beside what a dry run promises."""
    content, style = plan.pairs[0]
    for size in plan.sizes(*MEMORY):
        plan.say(f"gpu: memory at {size} px")
        given: dict[str, Any] = {
            "size": size,
            "scales": "single",
            "device": str(device),
            "steps": 3,
        }
        promised = impasto.estimate(content, style, **given).peak_bytes
        gpu.forget_peak(device)
        impasto.run(content, style, **given)
        taken = (gpu.peak_bytes(device) or 0) + gpu.CONTEXT
        yield compared(
            "gpu", f"{size} px: memory, with {gpu.CONTEXT / 1e6:.0f} MB of CUDA's own", "MB",
            figure("impasto", [taken / 1e6]), figure("dry run", [promised / 1e6]),
        )  # fmt: skip


def speed(plan: Plan, device: torch.device, size: int) -> Iterator[Comparison]:
    """Seconds of an evaluation: not compiled, as ``auto`` has it, and the plain loop on the same card."""
    plan.say(f"gpu: an evaluation at {size} px")
    run = ready(plan, size)
    image, work = started(run), operations(run)
    plain, plain_image = plain_loop(plan, size, device)

    def evaluated() -> None:
        image.grad = None
        torch.autograd.backward(run.prepared.evaluate(image)[0])

    def eager() -> None:
        image.grad = None
        torch.autograd.backward(run.objective(image)[0])

    def rival() -> None:
        plain_image.grad = None
        torch.autograd.backward(plain(plain_image))

    contestants: dict[str, Sampler] = {
        "impasto": lambda: timed_on(device, evaluated),
        "eager": lambda: timed_on(device, eager),
        "plain eager loop, float32": lambda: timed_on(device, rival),
        "ceiling": lambda: matrix_rate(run.precision, device),
    }
    figures = take_turns(contestants, plan.choose(3, 10), warm_up=3)
    ours, precision = figures["impasto"], precision_name(run.precision)
    case = f"{size} px, {precision}, {'compiled' if run.prepared.compiled else 'not compiled'}"
    rate = figure("impasto", [work / seconds for seconds in ours.samples])
    ceiling = replace_name(figures["ceiling"], f"ceiling, {precision} matrix product")
    yield compared(
        "gpu", f"{case}, rate of the convolutions", "GFLOP/s", rate, ceiling, better="higher"
    )
    for name in ("eager", "plain eager loop, float32"):
        yield compared("gpu", f"{case}, forward and backward", "s", ours, figures[name])


def plain_loop(
    plan: Plan, size: int, device: torch.device
) -> tuple[NotebookObjective, torch.Tensor]:
    """The notebook's objective on the card, and the picture that it is evaluated of."""
    content, style = (one.to(device) for one in pictures(plan.pairs[0], size))
    return NotebookObjective(content, style), content.clone().requires_grad_()
