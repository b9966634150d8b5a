"""Suite ``presets``: what presets cost until they reach the loss that they ended with at first.

At first L-BFGS began each direction from a multiple of the identity and each stage afresh, and coarse stages
had more steps than the last one. The loss of that run's last evaluation is the goal. Evaluations are
counted, not seconds: whatever else the machine does cannot change them.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from dataclasses import replace

from impasto.settings.settings import Settings, gather
from impasto.settings.spec import Spec
from impasto_profiling.bench.descent import Descent, cost_of, descend, plot
from impasto_profiling.bench.plan import Plan, name_of
from impasto_profiling.bench.record import Comparison, compared, figure

AT_FIRST = {
    "default": (100, 80, 60, 50, 40),
    "strong": (120, 100, 80, 60, 50),
    "subtle": (100, 80, 60, 50, 40),
    "quick": (60, 40, 25),
}
"""Steps of each stage that a preset had at first."""
PLAIN = "lbfgs:precondition=false,carry_over=false"
SIZE, QUICK_SIZE = 256, 128


def measure(plan: Plan) -> Iterator[Comparison]:
    """A comparison for each preset and size; its samples are the pairs of pictures."""
    for preset in list(AT_FIRST)[: 1 if plan.quick else None]:
        for size in plan.sizes(QUICK_SIZE if plan.quick else SIZE):
            yield measured(plan, preset, size)


def measured(plan: Plan, preset: str, size: int) -> Comparison:
    """One preset at one size; draws the plot, if the plan wants one."""
    first, now, fourier = list[Descent](), list[Descent](), list[Descent]()
    for pair in plan.pairs:
        plan.say(f"presets: {preset}, {name_of(pair)} at {size} px")
        before = settings_of(pair, preset, size, optimizer=PLAIN, steps=AT_FIRST[preset])
        after = settings_of(pair, preset, size)
        most, own = cost_of(before), cost_of(after)
        first.append(descend(before, least=most, most=most))
        now.append(descend(after, first[-1].loss, own, most))
        if plan.plot is not None:
            fourier.append(descend(replace(after, canvas=Spec("fourier")), least=own, most=own))
    goals = [descent.loss for descent in first]
    if plan.plot is not None:
        path = plan.plot.with_stem(f"{plan.plot.stem}_{preset}_{size}")
        ways = {"pixels, at first": first, "pixels": now, "Fourier coefficients": fourier}
        plot(ways, goals, f"{preset}, {size} px, {len(goals)} pairs of pictures", path)
        plan.say(f"presets: wrote '{path}'")
    costs = [descent.reached(goal) for descent, goal in zip(now, goals, strict=True)]
    reached = sum(math.isfinite(cost) for cost in costs)
    ends = [descent.after(own) / goal for descent, goal in zip(now, goals, strict=True)]
    return compared(
        "presets",
        f"{size} px, {preset}: reached on {reached} of {len(costs)} pairs",
        "steps",
        # Where the goal was missed, all that the first run cost.
        figure("impasto", [min(cost, most) for cost in costs]),
        figure("at first", [most]),
        pairs=", ".join(name_of(pair) for pair in plan.pairs),
        reached=reached,
        own_cost=own,
        own_loss=f"{statistics.median(ends):.3f} ({min(ends):.3f} to {max(ends):.3f}) of the goal",
    )


def settings_of(pair: tuple[str, str], preset: str, size: int, **given: object) -> Settings:
    """A preset's settings for a pair of pictures."""
    content, style = pair
    return gather(
        {"content": content, "style": style, "size": size, "compile": "off", **given}, preset, None
    )
