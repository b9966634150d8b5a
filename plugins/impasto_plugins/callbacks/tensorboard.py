"""Loss, terms, pictures and settings of a run, as TensorBoard shows them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy
from pydantic import Field
from torch import Tensor

import impasto
from impasto.plugin import require, to_picture

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class RaisedElsewhere:
    """Of threads that fail, says those that nobody else says.

    TensorBoard's thread that writes fails where the disk is full. The next call to its writer raises that
    error again, and the engine says it; its traceback on standard error would be one too many.
    """

    def __init__(self, before: Callable[[threading.ExceptHookArgs], object]) -> None:
        self.before = before

    def __call__(self, failed: threading.ExceptHookArgs) -> None:
        if not type(failed.thread).__module__.startswith("tensorboard."):
            self.before(failed)


class TensorBoard:
    """Loss and terms as curves, pictures, and the settings, in a log that TensorBoard opens."""

    def __init__(
        self,
        folder: Annotated[Path, Field(description="of the log; made if it is not there")],
        every: Annotated[int, Field(ge=1, description="steps between points of the curves")] = 1,
        pictures: Annotated[
            int, Field(ge=0, description="steps between pictures; 0 shows each stage's end alone")
        ] = 50,
    ) -> None:
        """Take the options; nothing is written before the run begins.

        Raises:
            SettingsError: TensorBoard is not installed.
        """
        require("tensorboard", "profiling", "callback 'tensorboard'")
        self.folder, self.every, self.pictures = folder, every, pictures
        self.shown = self.step = 0
        self.writer: SummaryWriter | None = None

    @impasto.hookimpl
    def impasto_before_run(self, run: impasto.Run) -> None:
        self.folder = run.outputs.claim_folder(self.folder, "callback 'tensorboard': folder")
        if not isinstance(threading.excepthook, RaisedElsewhere):
            threading.excepthook = RaisedElsewhere(threading.excepthook)
        self.step, self.writer = run.step, self.log_from(run.step + 1)
        settings = json.dumps(run.settings.as_table(), indent=2, ensure_ascii=False)
        self.writer.add_text("settings", f"```json\n{settings}\n```", run.step)
        if run.content is not None:
            self.show("content", run.content, run.step)
        # A style file has summaries and no picture.
        styles = run.style_pictures
        for number, style in enumerate(styles):
            self.show("style" if number == 0 else f"style-{number + 1}", style, run.step)

    def log_from(self, step: int) -> SummaryWriter:
        """Begin a log; points of an earlier one from this step on are not shown, since they are done anew."""
        # Imported here, since it takes a second that other runs need not wait for.
        from torch.utils.tensorboard import SummaryWriter

        return SummaryWriter(str(self.folder), purge_step=step)

    @impasto.hookimpl
    def impasto_before_stage(self, run: impasto.Run) -> None:
        if self.writer is not None and run.step < self.step:
            # The run was taken back.
            self.writer.close()
            self.step, self.shown = run.step, -1
            self.writer = self.log_from(run.step + 1)

    @impasto.hookimpl
    def impasto_after_step(self, run: impasto.Run, step: impasto.Step) -> None:
        assert self.writer is not None
        self.step = step.number
        if step.number % self.every == 0 or step.number == run.total_steps:
            self.writer.add_scalar("loss", step.loss, step.number)
            for name, value in step.terms.items():
                self.writer.add_scalar(f"terms/{name}", value, step.number)
        if self.pictures and step.number % self.pictures == 0:
            self.show_painted(run)

    @impasto.hookimpl
    def impasto_after_stage(self, run: impasto.Run) -> None:
        self.show_painted(run)

    @impasto.hookimpl
    def impasto_after_run(self) -> None:
        self.close()

    @impasto.hookimpl
    def impasto_run_failed(self, run: impasto.Run) -> None:
        if self.writer is not None and run.step:
            self.show_painted(run)
        self.close()

    def show_painted(self, run: impasto.Run) -> None:
        """Log the picture as it is now, unless it is there already."""
        if self.shown != run.step:
            self.show("painted", run.picture(), run.step)
            self.shown = run.step

    def show(self, tag: str, image: Tensor, step: int) -> None:
        """Log a picture, (1, 3, H, W) sRGB in [0, 1]."""
        assert self.writer is not None
        self.writer.add_image(tag, numpy.asarray(to_picture(image)), step, dataformats="HWC")

    def close(self) -> None:
        """Close the log, if it was opened."""
        if self.writer is not None:
            self.writer.close()
            if isinstance(threading.excepthook, RaisedElsewhere):
                threading.excepthook = threading.excepthook.before


@impasto.hookimpl
def impasto_callbacks() -> Iterable[impasto.Offer]:
    return [impasto.Offer("tensorboard", TensorBoard)]
