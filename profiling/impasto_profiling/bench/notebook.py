"""Suite ``notebook``: how much sooner the engine reaches the loss that the notebook's recipe ends with.

The recipe (preset ``notebook``): Adam with a rate of 0.003 on the normalized picture, 5000 steps, eager
float32, the whole network; here as the plain loop that it is. Both minimize the same objective, which
neutral code evaluates on the canvas of both. Start-up is left out for both; the
targets count for the engine alone.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from impasto.images.tensors import fitted, open_picture, resized, to_tensor
from impasto.settings.settings import Settings, gather
from impasto_profiling.bench.best import FASTEST, for_a_long_race
from impasto_profiling.bench.clock import StopWatch
from impasto_profiling.bench.neutral import NotebookObjective
from impasto_profiling.bench.plan import Plan, name_of
from impasto_profiling.bench.record import Comparison, figure
from impasto_profiling.bench.seek import outcome, seek

SIZE, STEPS, QUICK_STEPS, RATE = 256, 5000, 100, 0.003
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PARTS = 10
"""Parts that the recipe's steps are timed in: their spread shows whether the machine was disturbed."""


@dataclass(frozen=True)
class Recipe:
    """What the notebook's recipe came to."""

    seconds: list[float]
    """Seconds of each part."""
    loss: float
    """Loss of its canvas after the last step."""


def measure(plan: Plan) -> Iterator[Comparison]:
    """Time to loss, for each pair of pictures."""
    steps, (size,) = plan.steps_of(QUICK_STEPS, STEPS), plan.sizes(SIZE)
    for pair in plan.pairs:
        content, style = pictures(pair, size)
        objective = NotebookObjective(content, style)
        plan.say(f"notebook: {name_of(pair)}, the recipe's {steps} steps at {size} px")
        recipe = follow(objective, content, steps)
        total = sum(recipe.seconds)
        # What the recipe reaches in its first steps is caught up with before a coarse start has paid.
        fastest = FASTEST if plan.quick else for_a_long_race(size)
        settings = engine_settings(pair, size, fastest)
        found = []
        for number in range(plan.choose(2, 3)):
            plan.say(f"notebook: {name_of(pair)}, the engine, run {number + 1}")
            found.append(seek(settings, objective, recipe.loss, total))
        yield outcome(
            "notebook",
            f"{name_of(pair)}, {size} px, to the loss after {steps} steps",
            found,
            figure("notebook's recipe", [total]),
            loss=recipe.loss,
            recipe_steps=steps,
            recipe_milliseconds_a_step=1000 * total / steps,
            recipe_slowest_part=max(recipe.seconds) / statistics.median(recipe.seconds),
            settings=described(settings),
        )


def pictures(pair: tuple[str, str], size: int) -> tuple[Tensor, Tensor]:
    """Content and style as the recipe takes them: the style stretched to the content's size."""
    content, style = (to_tensor(open_picture(file)) for file in pair)
    width, height = fitted(content.shape[3], content.shape[2], size)
    return resized(content, height, width), resized(style, height, width)


def engine_settings(
    pair: tuple[str, str], size: int, fastest: Mapping[str, object] = FASTEST
) -> Settings:
    """The recipe's objective with the engine's fastest way to minimize it."""
    content, style = (str(Path(file)) for file in pair)
    given = {"content": content, "style": [style], "size": size, "side": "longer", **fastest}
    return gather(given, "notebook", None)


def described(settings: Settings) -> str:
    """What decides the speed, in one line."""
    return (
        f"{settings.optimizer} on {settings.canvas}, scales {settings.scales},"
        f" precision {settings.precision}, compile {settings.compile}"
    )


class PlainLoop:
    """The notebook's loop: Adam on the normalized picture."""

    def __init__(self, evaluate: Callable[[Tensor], Tensor], content: Tensor) -> None:
        """Start from the content.

        Args:
            evaluate: picture, (1, 3, H, W) sRGB → loss.
            content: (1, 3, H, W) sRGB in [0, 1].
        """
        self.evaluate = evaluate
        self.mean, self.deviation = (torch.tensor(x).view(1, 3, 1, 1) for x in (MEAN, DEVIATION))
        self.target = ((content - self.mean) / self.deviation).requires_grad_()
        self.optimizer = torch.optim.Adam([self.target], lr=RATE)

    def backward(self) -> None:
        """Evaluate, forward and backward."""
        self.optimizer.zero_grad()
        torch.autograd.backward(self.evaluate(self.target * self.deviation + self.mean))

    def step(self) -> None:
        """One step of Adam."""
        self.backward()
        self.optimizer.step()

    @torch.no_grad()
    def loss(self, objective: Callable[[Tensor], Tensor]) -> float:
        """The loss of the picture as it is."""
        return float(objective(self.target * self.deviation + self.mean))


def follow(objective: NotebookObjective, content: Tensor, steps: int) -> Recipe:
    """The recipe, as a plain loop.

    Args:
        objective: with its targets.
        content: (1, 3, H, W) sRGB in [0, 1], the start.
        steps: of Adam.
    """
    watch, loop = StopWatch(), PlainLoop(objective, content)
    seconds, before = [], 0.0
    for part in range(PARTS):
        with watch.running():
            for _ in range(steps * part // PARTS, steps * (part + 1) // PARTS):
                loop.step()
        seconds.append(watch.seconds - before)
        before = watch.seconds
    return Recipe(seconds, loop.loss(objective))
