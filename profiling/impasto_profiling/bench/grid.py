"""Suite ``grid``: one grid of several contents and styles, compared with a command for each picture."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageOps

from impasto_profiling.bench.clock import Sampler, take_turns
from impasto_profiling.bench.plan import Plan
from impasto_profiling.bench.process import IMPASTO, run_process
from impasto_profiling.bench.record import Comparison, compared

SIZE = 256
SIDE = 3
"""Contents, and styles; with ``--quick`` it is one less."""


def measure(plan: Plan) -> Iterator[Comparison]:
    """Measure the seconds of a grid, and of single commands for the same pictures."""
    (size,), (content, style) = plan.sizes(SIZE), plan.pairs[0]
    side = SIDE - plan.quick
    contents, styles = (
        variants(file, side, plan.folder / name)
        for file, name in ((content, "contents"), (style, "styles"))
    )
    options = ["--preset", "quick", "--size", str(size), "--quiet"]
    if plan.steps is not None:
        options += ["--steps", str(plan.steps)]
    plan.say(f"grid: {side} by {side} pictures at {size} px")
    contestants: dict[str, Sampler] = {
        "impasto": lambda: of_grid(contents, styles, options, plan.folder),
        "single commands": lambda: of_commands(contents, styles, options, plan.folder),
    }
    figures = take_turns(contestants, plan.choose(1, 3), warm_up=0)
    yield compared(
        "grid", f"{side} × {side} pictures, {size} px", "s",
        figures["impasto"], figures["single commands"], preset="quick",
    )  # fmt: skip


def variants(file: str, number: int, folder: Path) -> list[str]:
    """A picture, turned and mirrored, as several files of one size."""
    folder.mkdir(parents=True, exist_ok=True)
    with Image.open(file) as opened:
        picture = opened.convert("RGB")
    made = [picture, ImageOps.mirror(picture), ImageOps.flip(picture)][:number]
    paths = [folder / f"{place}.png" for place in range(number)]
    for one, path in zip(made, paths, strict=True):
        one.save(path)
    return [str(path) for path in paths]


def of_grid(contents: list[str], styles: list[str], options: list[str], folder: Path) -> float:
    """Seconds of one command for all."""
    results = folder / "results"
    shutil.rmtree(results, ignore_errors=True)
    command = [*IMPASTO, "grid", str(Path(contents[0]).parent), str(Path(styles[0]).parent),
               "-o", str(folder / "sheet.png"), "--folder", str(results), "--force", *options]  # fmt: skip
    return run_process(command).seconds


def of_commands(contents: list[str], styles: list[str], options: list[str], folder: Path) -> float:
    """Seconds of a command for each picture, all together."""
    output = ["-o", str(folder / "single.png"), "--force", *options]
    pairs = [(content, style) for style in styles for content in contents]
    return sum(run_process([*IMPASTO, "run", *pair, *output]).seconds for pair in pairs)
