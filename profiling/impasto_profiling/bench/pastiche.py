"""Suite ``pastiche``: how much sooner the engine reaches the loss that pastiche reaches after its steps.

pastiche 1.6.0 runs as it is, in a process of its own. Its objective is evaluated by neutral code, on the
pictures of both as 8 bits hold them, since its picture is known in no other form. The engine minimizes the
same objective: the same unscaled features, weights and targets. Start-up is left out for both; the targets
count for the engine alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from impasto.images.tensors import open_picture, to_tensor
from impasto.settings.settings import Settings, gather
from impasto_profiling.bench.best import for_a_long_race
from impasto_profiling.bench.neutral import (
    PASTICHE_CONTENT_WEIGHT,
    PASTICHE_STYLE_WEIGHT,
    STYLE_LAYERS,
    PasticheObjective,
)
from impasto_profiling.bench.notebook import described
from impasto_profiling.bench.pastiche_program import (
    Job,
    check_installed,
    is_step,
    resized_as_pastiche,
    run_pastiche,
)
from impasto_profiling.bench.plan import Plan, name_of
from impasto_profiling.bench.record import Comparison, figure
from impasto_profiling.bench.seek import Sought, outcome, seek

SIZE, STEPS, QUICK_STEPS = 256, 300, 50
CHANNELS = (64, 128, 256, 512, 512)
"""Channels of each style layer."""


@dataclass(frozen=True)
class Round:
    """One run of each."""

    theirs: float
    """Seconds of pastiche."""
    loss: float
    """Loss that pastiche reached."""
    ours: Sought


def measure(plan: Plan) -> Iterator[Comparison]:
    """Time to pastiche's own loss, for each pair of pictures; the two take turns."""
    check_installed()
    steps, (size,) = plan.steps_of(QUICK_STEPS, STEPS), plan.sizes(SIZE)
    for pair in plan.pairs:
        rounds = []
        for number in range(plan.choose(1, 3)):
            plan.say(f"pastiche: {name_of(pair)}, {steps} steps at {size} px, round {number + 1}")
            rounds.append(race(pair, size, steps, plan.folder))
        files = prepared(pair, size, plan.folder)
        yield outcome(
            "pastiche",
            f"{name_of(pair)}, {size} px, to pastiche's loss after {steps} steps",
            [one.ours for one in rounds],
            figure("pastiche", [one.theirs for one in rounds]),
            loss=rounds[-1].loss,
            pastiche_steps=steps,
            settings=described(engine_settings(*files, size)),
        )


def race(pair: tuple[str, str], size: int, steps: int, folder: Path) -> Round:
    """Let pastiche paint, then the engine up to the same loss."""
    files = prepared(pair, size, folder)
    content, style = (to_tensor(open_picture(file)) for file in files)
    objective = PasticheObjective(content, style)

    def loss_of(image: Tensor) -> Tensor:
        return objective(as_8_bits(image))

    job = Job(*pair, folder / "pastiche.png", size, steps)
    done = run_pastiche(job)
    theirs = done.first(is_step(steps)) - done.first(is_step(0))
    with torch.no_grad():
        loss = float(loss_of(to_tensor(open_picture(job.output))))
    return Round(theirs, loss, seek(engine_settings(*files, size), loss_of, loss, 2 * theirs))


def prepared(pair: tuple[str, str], size: int, folder: Path) -> tuple[str, str]:
    """Both pictures as pastiche resizes them, in files, so that the engine has the same targets."""
    content = resized_as_pastiche(pair[0], size)
    style = resized_as_pastiche(pair[1], None, pixels=content.width * content.height)
    files = (folder / "content.png", folder / "style.png")
    for picture, file in zip((content, style), files, strict=True):
        picture.save(file)
    return str(files[0]), str(files[1])


def engine_settings(content: str, style: str, size: int) -> Settings:
    """Pastiche's objective as settings of the engine.

    Its style term is 10/N² · mean (G − A)² for Gram matrices a pixel of N channels; the engine's
    ``paper`` is |G − A|²/(4 N²) for the same matrices, so a layer weighs 40/N².

    Args:
        content: file, at the size it is painted in.
        style: file, at the size it is compared at.
        size: longer side of the content, pixels.
    """
    with_pixels = open_picture(style)
    weights = [4 * PASTICHE_STYLE_WEIGHT / channels**2 for channels in CHANNELS]
    given = {
        "content": content,
        # Of its own size in the last stage, and as much smaller before as the content is.
        "style": [{"file": style, "scale": max(with_pixels.size) / size}],
        "size": size,
        "extractor": "vgg19:scale=false",
        "loss": [
            {"name": "content", "weight": PASTICHE_CONTENT_WEIGHT},
            {
                "name": "gram",
                "weight": 1.0,
                "layers": list(STYLE_LAYERS),
                "layer_weights": weights,
                "normalization": "paper",
            },
        ],
        **for_a_long_race(size),
    }
    return gather(given, "default", None)


def as_8_bits(image: Tensor) -> Tensor:
    """A picture as it is after it was saved and read."""
    return image.clamp(0, 1).mul(255).round().div(255)
