"""Suite ``optimizers``: how many evaluations each way of minimizing takes to the same loss.

The objective is the default preset's at one size, as the engine computes it. The loss that L-BFGS on pixels,
without preconditioning and from the content picture, has at its last evaluation is what the other ways
have to reach in no more than it took. Evaluations are counted, not seconds: whatever else the machine
does cannot change them. One of a smaller stage counts by its fraction of the last stage's pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from impasto.settings.settings import Settings, gather
from impasto_profiling.bench.best import for_a_long_race
from impasto_profiling.bench.descent import Descent, descend
from impasto_profiling.bench.plan import Plan, name_of
from impasto_profiling.bench.record import Comparison, compared, figure

SIZES, STEPS, QUICK_STEPS = (128, 256, 512), 100, 20


def measure(plan: Plan) -> Iterator[Comparison]:
    """A comparison for each size and way; its samples are the pairs of pictures."""
    steps = plan.steps_of(QUICK_STEPS, STEPS)
    for size in plan.sizes(*(SIZES[:1] if plan.quick else SIZES)):
        found: dict[str, list[tuple[Descent, float]]] = {way: [] for way in ways(size)}
        for pair in plan.pairs:
            plan.say(f"optimizers: {name_of(pair)}, {steps} evaluations of each way at {size} px")
            plain = settings_of(pair, size, {"optimizer": "lbfgs:precondition=false"})
            goal = descend(plain, least=steps, most=steps).loss
            for way, given in ways(size).items():
                found[way].append((descend(settings_of(pair, size, given), goal, most=steps), goal))
        for way, descents in found.items():
            reached = sum(descent.loss <= goal for descent, goal in descents)
            yield compared(
                "optimizers",
                f"{size} px, {way}: reached on {reached} of {len(descents)} pairs",
                "steps",
                figure("impasto", [descent.evaluations for descent, _ in descents]),
                figure("L-BFGS on pixels", [steps]),
                pairs=", ".join(name_of(pair) for pair in plan.pairs),
                reached=reached,
            )


def ways(size: int) -> dict[str, dict[str, object]]:
    """Settings of each way, by a name for people.

    Args:
        size: longer side of the last stage, pixels.
    """
    return {
        "preconditioned": {"optimizer": "lbfgs"},
        "Fourier coefficients": {"canvas": "fourier"},
        "history_size=100": {"optimizer": "lbfgs:precondition=false,history_size=100"},
        "from a coarse start, history_size=100": for_a_long_race(size),
        "Adam": {"optimizer": "adam"},
    }


def settings_of(pair: tuple[str, str], size: int, given: Mapping[str, object]) -> Settings:
    """The default preset's objective at one size, minimized in this way."""
    content, style = pair
    plain = {"content": content, "style": style, "size": size, "scales": "single", "steps": 1}
    return gather({**plain, **given, "compile": "off"}, "default", None)
