"""Methods side by side at equal time: pictures, contact sheets, and distances on held-out layers.

    python -m impasto_profiling.side_by_side --pair photo.jpg,painting.jpg --pair … --folder results

A method is a preset of Impasto, or ``pastiche``, the program of that package as it comes. Time counts from
the first step on, start-up left out for all. A preset's steps are first timed in each of its stages, a few
steps that are thrown away, and then all multiplied by one factor so that they fill the time; the numbers
are in the record. pastiche is stopped when its time is over, and the last picture that it kept stands; it
is not given more than its own number of steps. Run nothing else meanwhile.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import shutil
import signal
import statistics
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import torch
from PIL import Image
from rich.table import Table

import impasto
from impasto.command.printing import say
from impasto.command.safe_console import SafeConsole
from impasto.images.contact_sheet import contact_sheet
from impasto.images.tensors import open_picture, save, to_picture
from impasto.jobs.compare import compare
from impasto.jobs.run import prepare_run, run_settings
from impasto.jobs.trial import Trial, seconds_of_stages, take, with_restarts
from impasto.settings.plain_json import to_json
from impasto.settings.settings import Settings, gather
from impasto_profiling.bench.machine import commit
from impasto_profiling.bench.pastiche_program import Job
from impasto_profiling.bench.pastiche_program import command as pastiche_command
from impasto_profiling.pairs import DEMO, check_pairs

METHODS = ("default", "gatys2016", "pyramid-wasserstein", "pastiche")
MOST_STEPS = 1000
"""pastiche's own number."""

logger = logging.getLogger("impasto")


@dataclass(frozen=True)
class Case:
    """One picture that is to be painted."""

    method: str
    content: str
    style: str
    size: int
    """Longer side, pixels."""
    seconds: float
    """That it may take."""

    @property
    def pair(self) -> str:
        """Both pictures' names."""
        return f"{Path(self.content).stem}_as_{Path(self.style).stem}"

    @property
    def name(self) -> str:
        """Name of the picture's file, without suffix."""
        return f"{self.pair}_{self.size}px_{self.seconds:g}s_{self.method}"


@dataclass(frozen=True)
class Painted:
    """What a method made of a case."""

    picture: Image.Image
    seconds: float
    """From the first step to the last."""
    steps: tuple[int, ...]
    """Steps of each stage; for pastiche those done when its last picture was saved."""


def paint(case: Case, folder: Path) -> Painted:
    """Let the method paint for its time.

    Args:
        case: what, and how long.
        folder: where pastiche may keep its pictures.
    """
    if case.method == "pastiche":
        return paint_with_pastiche(case, folder)
    given = {"content": case.content, "style": case.style, "size": case.size}
    settings = gather(given, case.method, None)
    steps = steps_for(settings, case.seconds)
    result = run_settings(replace(settings, steps=steps))
    return Painted(result.picture, result.seconds, steps)


def steps_for(settings: Settings, seconds: float) -> tuple[int, ...]:
    """The preset's steps, all multiplied by one factor, so that they take this time."""
    run = prepare_run(settings)
    planned, trials = [stage.steps for stage in run.stages], list[Trial]()
    for stage in run.stages:
        trials.append(replace(take(run, stage, before_stage=lambda: None), beginning=0.0))
        # As if it were over: what losses do where a stage begins goes by that.
        run.ends.append(run.step)
    restarts = run.objective.restarts(planned[-1])
    trials[-1] = with_restarts(trials[-1], run.prepared, planned[-1], restarts)

    def taken(factor: float) -> float:
        found = 0.0
        for trial in trials:
            stage = replace(trial.stage, steps=round(trial.stage.steps * factor))
            anew = run.objective.restarts(stage.steps) if trial is trials[-1] else ()
            found += sum(seconds_of_stages([stage], [trial], restarts=anew))
        return found

    least, most = 0.0, 1.0
    while taken(most) < seconds:
        least, most = most, 2 * most
    for _ in range(20):
        middle = (least + most) / 2
        least, most = (middle, most) if taken(middle) < seconds else (least, middle)
    return tuple(max(1, round(steps * most)) for steps in planned)


def paint_with_pastiche(case: Case, folder: Path) -> Painted:
    """Paint with pastiche and its own defaults, but for the size; stopped when the time is over.

    Raises:
        RuntimeError: it made no picture.
    """
    kept, output = folder / f"{case.name}_kept", folder / f"{case.name}_output.png"
    # What one that was stopped has left would pass for this one's last picture.
    shutil.rmtree(kept, ignore_errors=True)
    output.unlink(missing_ok=True)
    job = Job(case.content, case.style, output, case.size, MOST_STEPS)
    command = [*pastiche_command(job), "--workspace", str(kept)]
    # The words of the command line are our own, or files that were named to us.
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
    try:
        # It keeps its start as the picture of step 0.
        while not any(kept.glob("*.png")) and process.poll() is None:
            time.sleep(0.05)
        started = time.perf_counter()
        while process.poll() is None and time.perf_counter() - started < case.seconds:
            time.sleep(0.05)
        seconds = time.perf_counter() - started
    finally:
        process.terminate()
        process.wait()
    if output.is_file() and process.returncode == 0:
        return Painted(_picture(output), seconds, (last_step(kept),))
    for path in sorted(kept.glob("*.png"), reverse=True):
        try:
            return Painted(_picture(path), seconds, (int(path.stem),))
        except impasto.PictureError:
            # The last one may be cut short where the process was ended.
            continue
    raise RuntimeError(f"pastiche made no picture of {case.name}")


def _picture(path: Path | str) -> Image.Image:
    return to_picture(open_picture(path).image)


def last_step(kept: Path) -> int:
    """The step of the last picture that pastiche kept."""
    return max(int(path.stem) for path in kept.glob("*.png"))


def record_of(case: Case, painted: Painted, picture: Path) -> dict[str, Any]:
    """All that is needed to read the comparison later, with distances on held-out layers."""
    styles = {impasto.Style(case.style): open_picture(case.style)}
    scores = compare({case.method: painted.picture}, open_picture(case.content), styles)
    return {
        **case.__dict__,
        "picture": picture.name,
        "seconds_taken": round(painted.seconds, 2),
        "steps": painted.steps,
        "style_distance": dict(scores[-1].style),
        "content_distance": dict(scores[-1].content),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "impasto": impasto.__version__,
        "commit": commit(),
        "machine": f"{platform.machine()}, {os.cpu_count()} processors",
    }


def sheets(
    records: Sequence[Mapping[str, Any]], folder: Path, cell: int
) -> Iterator[tuple[Path, Image.Image]]:
    """One sheet for each size and time: a row a pair, with content, style, and each method's picture."""
    for size, seconds in sorted({(record["size"], record["seconds"]) for record in records}):
        rows = [r for r in records if (r["size"], r["seconds"]) == (size, seconds)]
        methods = list(dict.fromkeys(record["method"] for record in rows))
        cells: list[tuple[str, Image.Image]] = []
        for content, style in dict.fromkeys((r["content"], r["style"]) for r in rows):
            cells += [(Path(file).stem, _picture(file)) for file in (content, style)]
            for row in rows:
                if (row["content"], row["style"]) == (content, style):
                    distance = row["style_distance"]["wasserstein"]
                    shapes = row["content_distance"]["self_similarity"]
                    label = f"{row['method']} style {distance:.3f} shapes {shapes:.3f}"
                    cells.append((label, _picture(folder / row["picture"])))
        name = folder / f"sheet_{size}px_{seconds:g}s.png"
        yield name, contact_sheet(cells, columns=2 + len(methods), cell=cell)


def table(records: Sequence[Mapping[str, Any]]) -> Table:
    """Medians over the pairs, for people: a row for each size, time and method."""
    rows = Table("size", "time", "method", "pairs", "style", "shapes", box=None, pad_edge=False)
    keys = ("size", "seconds", "method")
    for case in sorted({tuple(record[key] for key in keys) for record in records}):
        found = [record for record in records if tuple(record[key] for key in keys) == case]
        style = statistics.median(record["style_distance"]["wasserstein"] for record in found)
        shapes = statistics.median(
            record["content_distance"]["self_similarity"] for record in found
        )
        size, seconds, method = case
        rows.add_row(
            f"{size} px", f"{seconds:g} s", method, str(len(found)), f"{style:.3f}", f"{shapes:.3f}"
        )
    return rows


@click.command()
@click.option("--pair", "pairs", callback=check_pairs, multiple=True, metavar="CONTENT,STYLE",
              help="Two picture files; may be given several times. The default is the demo's.")  # fmt: skip
@click.option("--method", "methods", multiple=True, metavar="PRESET|pastiche",
              help=f"May be given several times. [{', '.join(METHODS)}]")  # fmt: skip
@click.option("--sizes", default="256,512", help="Longer sides in pixels. [256,512]")
@click.option("--seconds", default="60,180", help="Time for each picture. [60,180]")
@click.option(
    "--folder", default="side_by_side", help="Where to; made if not there. [side_by_side]"
)
@click.option("--cell", default=320, help="Pixels of each picture in the sheets. [320]")
def main(
    pairs: tuple[tuple[str, str], ...],
    methods: tuple[str, ...],
    sizes: str,
    seconds: str,
    folder: str,
    cell: int,
) -> None:
    """Paint all pairs with all methods, at all sizes and times, and lay them out in sheets.

    What the folder already has is not painted again, so that a stopped comparison goes on. Prints the
    sheets' names and a table of medians over the pairs.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    records = []
    for size in map(int, sizes.split(",")):
        for allowed in map(float, seconds.split(",")):
            for content, style in pairs or DEMO:
                for method in methods or METHODS:
                    case = Case(method, content, style, size, allowed)
                    records.append(done_before(case, target) or do(case, target))
    for name, sheet in sheets(records, target, cell):
        save(sheet, name)
        say(str(name))
    SafeConsole(width=100).print(table(records))


def do(case: Case, folder: Path) -> dict[str, Any]:
    """Paint a case, and keep its picture and its record."""
    painted = paint(case, folder)
    picture = folder / f"{case.name}.png"
    save(painted.picture, picture)
    record = record_of(case, painted, picture)
    picture.with_suffix(".json").write_text(to_json(record, indent=2), encoding="utf-8")
    say(f"{case.name}: {painted.seconds:.1f} s, steps {painted.steps}", err=True)
    return record


def done_before(case: Case, folder: Path) -> dict[str, Any] | None:
    """The record of a case that was painted already."""
    path = folder / f"{case.name}.json"
    if not path.is_file():
        return None
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return record


if __name__ == "__main__":
    # Ends as Ctrl-C does, so that pastiche does not outlive the comparison.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    main()
