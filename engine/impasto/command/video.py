"""``impasto video``: a film in the style of pictures."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from impasto.command.help import GroupedCommand
from impasto.command.many import duration
from impasto.command.options import (
    complete_file,
    complete_folder,
    output_options,
    settings_options,
)
from impasto.command.printing import say, say_json
from impasto.command.run import given_on_the_line
from impasto.errors import counted
from impasto.settings.settings import documents_of, gather

if TYPE_CHECKING:
    from impasto.jobs.video import PaintedFrame
    from impasto.jobs.worker import Ended


def seconds(text: str) -> float:
    """A time: seconds, or minutes and seconds, or hours, minutes and seconds.

    >>> seconds("62.5"), seconds("1:02.5")
    (62.5, 62.5)

    Raises:
        click.BadParameter: it is none.
    """
    parts = text.split(":")
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    if not 1 <= len(numbers) <= 3 or not all(0 <= one < 1e6 for one in numbers):
        raise click.BadParameter(f"'{text}' is no time, as 62.5 or 1:02.5")
    return float(sum(one * 60.0**place for place, one in enumerate(reversed(numbers))))


def distances(text: str) -> tuple[int, ...]:
    """Whole numbers with commas between.

    Raises:
        click.BadParameter: they are none.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and len(part) < 7 for part in parts):
        raise click.BadParameter(f"'{text}' is not of the form 2,4")
    return tuple(int(part) for part in parts)


@click.command(cls=GroupedCommand)
@click.argument("film", metavar="FILM", shell_complete=complete_file)
@click.argument("styles", metavar="[STYLE]...", nargs=-1, shell_complete=complete_file)
@click.option("--from", "start", default="0", type=seconds, metavar="TIME",
              help="Begin there: seconds, or 1:02.5. [0]")  # fmt: skip
@click.option("--to", "end", type=seconds, metavar="TIME", help="End before that time.")
@click.option("--every", default=1, type=click.IntRange(1), metavar="N",
              help="Paint the first of every N frames; each is then shown longer. [1]")  # fmt: skip
@click.option("--preview", default=0, type=click.IntRange(0), metavar="N",
              help="Paint only N frames, spread over the film, each by itself.")  # fmt: skip
@click.option("--temporal-weight", default=1000.0, metavar="X",
              help="Hold each frame to the one before more (5000) or less (200); 0 does not."
              " [1000]")  # fmt: skip
@click.option("--long-term", type=distances, metavar="N,N",
              help="Hold it to frames further back, too, as 2,4,8: for what is hidden for a"
              " while.")  # fmt: skip
@click.option("--frame-steps", type=click.IntRange(1), metavar="N",
              help="Optimizer steps of a frame that starts from the one before, in place of half of those"
              " of the last stage.")  # fmt: skip
@click.option("--cut", default=0.3, metavar="X",
              help="A new scene begins where less than this part of a frame was in the one before."
              " [0.3]")  # fmt: skip
@click.option("--flow", default="dis", metavar="SPEC",
              help="Optical flow; impasto plugins lists them. [dis]")  # fmt: skip
@click.option("--fps", default=25.0, metavar="X",
              help="Frames a second of a sequence of pictures. [25]")  # fmt: skip
@click.option("--sound/--no-sound", default=True, help="Keep the film's sound. [sound]")
@click.option("--folder", metavar="FOLDER", shell_complete=complete_folder,
              help="Folder of the painted frames, with the manifest that says what is done."
              " [OUT_frames]")  # fmt: skip
@click.option("--json", "as_json", is_flag=True,
              help="Print one JSON record on standard output for each frame.")  # fmt: skip
@partial(settings_options, without=("checkpoint", "init"))
@output_options
def video(
    film: str,
    styles: tuple[str, ...],
    start: float,
    end: float | None,
    every: int,
    preview: int,
    folder: str | None,
    as_json: bool,
    preset: str | None,
    config: str | None,
    quiet: bool,
    **given: Any,
) -> None:
    """Paint the film FILM in the style of STYLE, each frame from the one before.

    FILM and OUT are a film (.mp4, .mov, .mkv, .webm), a folder of pictures, or a numbered name as
    frames/%04d.png. Called again, it paints only what is missing: a film that was stopped goes on where
    it was.
    """
    names = ("temporal_weight", "long_term", "frame_steps", "cut", "flow", "fps", "sound")
    own = {name: given.pop(name) for name in names}
    own["long_term"] = own["long_term"] or ()
    from impasto.jobs.rows import refuse_random

    refuse_random(given)
    settings = gather(given_on_the_line(film, styles, given), preset, config)
    from impasto.jobs.frames import Range
    from impasto.jobs.video import VideoOptions, paint_video, scenes

    options = VideoOptions(Range(start, end, every), **own)
    made = paint_video(
        settings,
        options,
        folder,
        preview,
        documents_of(preset, config),
        Lines(as_json, quiet).follow,
    )
    if not quiet:
        number = len(list(scenes(made.frames)))
        what = "" if preview else f" in {counted(number, 'scene')}"
        say(f"{made.output}: {counted(len(made.frames), 'frame')}{what}", err=True)


class Lines:
    """A line for each frame that is painted."""

    def __init__(self, as_json: bool, quiet: bool) -> None:
        self.as_json, self.quiet = as_json, quiet
        self.began = time.monotonic()
        self.seen = self.painted = 0

    def follow(self, frame: PaintedFrame, ended: Ended | None, number: int) -> None:
        """Say that a frame is done; of those that were done before say nothing."""
        self.seen += 1
        if ended is None:
            return
        self.painted += 1
        if self.as_json:
            whole = {"number": frame.number, "time": frame.seconds, "output": frame.file}
            say_json({**whole, "begins": frame.begins, **ended.record})
        if not self.quiet:
            left = (time.monotonic() - self.began) / self.painted * (number - self.seen)
            more = f", about {duration(left)} left" if self.seen < number else ""
            scene = ", a scene begins" if frame.begins and self.seen > 1 else ""
            say(f"{frame.file}: {self.seen} of {number} frames{scene}{more}", err=True)
