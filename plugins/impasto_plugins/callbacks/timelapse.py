"""A film of the run, from its start to its result, as GIF, WebP or MP4."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import Field

import impasto
from impasto.plugin import fitted, to_picture
from impasto_plugins.callbacks.files import check_file, refuse_files_of_the_run
from impasto_plugins.callbacks.film import FORMATS, Film, write_film

FASTEST_GIF = 50
"""Frames a second: programs show frames of less than two hundredths slower, each at its own rate."""


class Timelapse:
    """A film of the run as GIF, WebP or MP4: the start, the picture every so many steps, the result.

    All frames have one size, the last stage's if nothing is said; those of smaller stages are enlarged.
    Until the film is written they lie in a folder: in the checkpoint's where the run has one, so that a
    resumed run has its whole film; else in a temporary one. A run that ends early has its film so far.
    """

    def __init__(
        self,
        file: Annotated[
            Path, Field(description="film to write, .gif, .webp or .mp4; one there is replaced")
        ],
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
        check_file("timelapse", file, FORMATS)
        if file.suffix.lower() == ".gif" and fps > FASTEST_GIF:
            raise impasto.SettingsError(
                f"callback 'timelapse': option 'fps': GIF shows {FASTEST_GIF} frames a second at"
                f" most, not {fps:g}; .webp and .mp4 show more"
            )
        self.path, self.every, self.fps, self.hold, self.size = file, every, fps, hold, size
        self.folder: Path | None = None

    @impasto.hookimpl
    def impasto_before_run(self, run: impasto.Run) -> None:
        refuse_files_of_the_run("timelapse", self.path, run)
        self.folder = self.folder_for(run)
        for step, frame in self.frames().items():
            # Left by another run, or behind the checkpoint: those steps are done anew.
            if not run.step or step > run.step:
                frame.unlink()

    @impasto.hookimpl
    def impasto_before_stage(self, run: impasto.Run) -> None:
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
        self.clear()

    @impasto.hookimpl
    def impasto_run_failed(self, run: impasto.Run) -> None:
        if self.folder is None:
            return
        if run.step:
            self.add(run)
            self.write(run)
        if run.settings.checkpoint is None:
            self.clear()

    def folder_for(self, run: impasto.Run) -> Path:
        """Where the frames lie until the film is written."""
        if run.settings.checkpoint is None:
            return Path(tempfile.mkdtemp(prefix="impasto-timelapse-"))
        folder = Path(run.settings.checkpoint).resolve() / f"timelapse {self.path.name}"
        folder.mkdir(exist_ok=True)
        return folder

    def frames(self) -> dict[int, Path]:
        """The frames so far by step, in order; 0 is the start."""
        assert self.folder is not None
        return {int(path.stem): path for path in sorted(self.folder.glob("*.png"))}

    def add(self, run: impasto.Run) -> None:
        """Keep the picture as it is now, in the place of one of the same step."""
        assert self.folder is not None
        # Hardly packed: it is read once, and soon.
        to_picture(run.picture()).save(self.folder / f"{run.step:09}.png", compress_level=1)

    def write(self, run: impasto.Run) -> None:
        """Write the film of the frames so far."""
        last = run.stages[-1]
        width, height = last.width, last.height
        if self.size is not None:
            width, height = fitted(width, height, self.size)
        film = Film(width, height, self.fps, self.hold)
        write_film(self.path, list(self.frames().values()), film)

    def clear(self) -> None:
        """Remove the frames."""
        assert self.folder is not None
        shutil.rmtree(self.folder, ignore_errors=True)


@impasto.hookimpl
def impasto_callbacks() -> Iterable[impasto.Offer]:
    return [impasto.Offer("timelapse", Timelapse)]
