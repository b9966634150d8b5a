"""A film of the run, from its start to its result, as GIF, WebP or MP4."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Annotated

from pydantic import Field

import impasto
from impasto.plugin import fitted, to_picture
from impasto_plugins.callbacks.film import FORMATS, Film, write_film
from impasto_plugins.callbacks.pictures import KeptPictures

FASTEST_GIF = 50
"""Frames a second: programs show frames of less than two hundredths slower, each at its own rate."""


class Timelapse:
    """A film of the run as GIF, WebP or MP4: the start, the picture every so many steps, the result.

    All frames have one size, by default the last stage's; those of smaller stages are enlarged.
    They lie in a folder: in the checkpoint's where the run has one, so that a resumed run has its whole
    film; else in a temporary one until the film is written. A run that ends early has its film so far.
    """

    def __init__(
        self,
        file: Annotated[Path, Field(description="film to write, .gif, .webp or .mp4")],
        every: Annotated[int, Field(ge=1, description="steps between frames")] = 5,
        fps: Annotated[float, Field(ge=1, le=60, description="frames a second")] = 15.0,
        hold: Annotated[
            float, Field(ge=0, le=60, description="seconds that the last frame stays")
        ] = 2.0,
        size: Annotated[
            int | None,
            Field(ge=16, description="longer side of the film, pixels; none is the result's"),
        ] = None,
    ) -> None:
        if file.suffix.lower() == ".gif" and fps > FASTEST_GIF:
            raise impasto.SettingsError(
                f"callback 'timelapse': option 'fps': GIF shows {FASTEST_GIF} frames a second at"
                f" most, not {fps:g}; .webp and .mp4 show more"
            )
        self.path, self.every, self.fps, self.hold, self.size = file, every, fps, hold, size
        self.pictures: KeptPictures | None = None

    @impasto.hookimpl
    def impasto_before_run(self, run: impasto.Run) -> None:
        self.path = run.outputs.claim(self.path, "callback 'timelapse': file", FORMATS)
        self.pictures = KeptPictures(run, "timelapse", self.path)

    @impasto.hookimpl
    def impasto_before_stage(self, run: impasto.Run) -> None:
        if self.pictures is not None:
            # The run may have been taken back.
            self.pictures.forget_after(run.step)
        if not run.step:
            self.add(run)

    @impasto.hookimpl
    def impasto_after_step(self, run: impasto.Run, step: impasto.Step) -> None:
        if step.number % self.every == 0:
            self.add(run)

    @impasto.hookimpl
    def impasto_after_run(self, run: impasto.Run) -> None:
        self.add(run)
        self.write(run)

    @impasto.hookimpl
    def impasto_run_failed(self, run: impasto.Run) -> None:
        if self.pictures is None:
            return
        if run.step:
            self.add(run)
            self.write(run)
        else:
            self.pictures.end()

    def add(self, run: impasto.Run) -> None:
        """Keep the picture as it is now, in the place of one of the same step."""
        assert self.pictures is not None
        self.pictures.add(run.step, to_picture(run.picture()))

    def write(self, run: impasto.Run) -> None:
        """Write the film of the frames so far."""
        assert self.pictures is not None
        last = run.stages[-1]
        width, height = last.width, last.height
        if self.size is not None:
            width, height = fitted(width, height, self.size)
        film = Film(width, height, self.fps, self.hold)
        frames = list(self.pictures.by_step().values())
        try:
            run.outputs.keep_or_raise(
                partial(write_film, pictures=frames, film=film), self.path, "film"
            )
        finally:
            self.pictures.end()


@impasto.hookimpl
def impasto_callbacks() -> Iterable[impasto.Offer]:
    return [impasto.Offer("timelapse", Timelapse)]
