"""What a run returns: a record of each step, the result, and the errors that keep the picture so far."""

from __future__ import annotations

import base64
import html
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy
from torch import Tensor

from impasto.errors import ImpastoError, counted
from impasto.files.outputs import Outputs
from impasto.host.extras import require
from impasto.images.writing import SUFFIXES, PictureMetadata, check_format, write_picture
from impasto.optimization.changes import Change
from impasto.optimization.stages import Stage
from impasto.settings.input_files import files_of
from impasto.settings.settings import Settings, validate
from impasto.storage.recipe import with_settings

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from PIL.Image import Image

History = Mapping[str, numpy.ndarray[Any, Any]]
"""Columns of one length by name, as ``pandas.DataFrame`` takes them."""

SHOWN = 1024
"""Longer side, pixels, up to which a notebook is given the picture as it is."""


@dataclass(frozen=True)
class Step:
    """One optimizer step. Losses are those of the canvas before the step.

    Nothing here waits for the device until ``loss`` or ``terms`` is read.
    """

    number: int
    """Number of the step, from 1, over all stages."""
    stage: Stage
    """The stage it belongs to."""
    names: tuple[str, ...]
    """Names of the terms."""
    loss_tensor: Tensor
    """Total loss, no dimensions, on the device."""
    terms_tensor: Tensor
    """Weighted terms, (number of terms,), on the device."""

    @cached_property
    def loss(self) -> float:
        """Total loss. Reading it waits for the device."""
        return float(self.loss_tensor)

    @cached_property
    def terms(self) -> dict[str, float]:
        """Weighted terms by name. Reading them waits for the device."""
        return dict(zip(self.names, self.terms_tensor.tolist(), strict=True))


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """What a run gives. In a notebook it shows the picture, and a line about its losses."""

    picture: Image
    """The picture, 8 bits; RGB, or RGBA where the content picture has transparency."""
    image: Tensor
    """The picture before it is rounded to 8 bits: (1, 3, H, W) float32 sRGB in [0, 1], on the CPU."""
    losses: list[float]
    """Total loss of each step."""
    terms: dict[str, float]
    """Weighted terms of the last step, by name."""
    steps: int
    """Steps done."""
    seconds: float
    """Time of the steps, start-up left out."""
    settings: Settings
    """What was asked for."""
    device: str
    """Device of the run."""
    precision: str
    """Precision of the network."""
    weights: str
    """Weights of the extractor."""
    stopped: str = ""
    """Why it ended early; empty if all steps were done."""
    changes: tuple[Change, ...] = ()
    """Changes that were made while it was painted, in order."""
    alpha: Tensor | None = None
    """Alpha of the content picture, (1, 1, H, W) in [0, 1]; None is opaque."""
    history: History = field(default_factory=dict)
    """One value for each step, also for those before a resume: ``step`` from 1, ``stage`` from 0, ``total``,
    and each weighted term by its name. Losses are those of the canvas before the step."""
    metadata: PictureMetadata = field(default_factory=PictureMetadata)
    """What a file of the picture has beside its colors: alpha, profile and EXIF of the content picture,
    and XMP with the recipe."""

    def save(
        self, path: str | os.PathLike[str], *, force: bool = False, depth: int | None = None
    ) -> None:
        """Write the picture, as the setting ``output`` does: the same bytes, recipe included.

        Args:
            path: its suffix says the format: ``.png``, ``.jpg``, ``.webp`` or ``.tiff``. Bits and quality are
                those of the settings.
            force: overwrite the file if it exists.
            depth: bits of each channel, 8 or 16, in place of those of the settings, also in the recipe.

        Raises:
            OutputError: it cannot be written, is an input of the run, or exists.
            PictureError: its format cannot hold the picture.
        """
        if depth is not None and depth != self.settings.depth:
            settings = validate({**self.settings.as_table(), "depth": depth})
            xmp = with_settings(self.metadata.xmp, depth=depth)
            metadata = replace(self.metadata, xmp=xmp)
            replace(self, settings=settings, metadata=metadata).save(path, force=force)
            return
        outputs = Outputs(force=force)
        outputs.reads(files_of(self.settings))
        place = outputs.claim(path, suffixes=SUFFIXES)
        check_format(place, self.settings.depth, self.picture.width, self.picture.height)
        outputs.keep_or_raise(self.write, place)

    def write(self, path: Path) -> None:
        """Write the picture to a path that is known to be free; see :meth:`save`.

        Raises:
            OSError: it cannot be written.
        """
        settings = self.settings
        write_picture(path, self.image, self.metadata, settings.depth, settings.quality)

    def show(self) -> None:
        """Show the picture: in a notebook below the cell, elsewhere in the system's viewer."""
        ipython = sys.modules.get("IPython")
        shell = ipython.get_ipython() if ipython is not None else None
        if ipython is not None and hasattr(shell, "kernel"):
            ipython.display.display(self)
        else:
            self.picture.show()

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draw the history: total and terms by step, on a logarithmic scale.

        Args:
            axes: of matplotlib, to draw into; None makes new ones.

        Returns:
            The axes.

        Raises:
            SettingsError: matplotlib is not installed.
        """
        require("matplotlib", "plot", "Result.plot")
        if axes is None:
            from matplotlib import pyplot

            axes = pyplot.subplots()[1]
        steps, stages = self.history["step"], self.history["stage"]
        for name, values in self.history.items():
            if name not in ("step", "stage"):
                axes.plot(steps, values, label=name, color="black" if name == "total" else None)
        for place in numpy.flatnonzero(numpy.diff(stages)):
            axes.axvline(steps[place] + 0.5, color="lightgray", zorder=0)
        axes.set(xlabel="step", ylabel="loss", yscale="log")
        axes.legend()
        return axes

    def __repr__(self) -> str:
        return f"<impasto.Result: {self._line()}>"

    def _repr_html_(self) -> str:
        line = html.escape(self._line())
        data = base64.b64encode(self._repr_png_()).decode()
        return f'<img src="data:image/png;base64,{data}" alt="{line}"><br>{line}'

    def _repr_png_(self) -> bytes:
        picture = self.picture.copy()
        picture.thumbnail((SHOWN, SHOWN))
        file = BytesIO()
        picture.save(file, "PNG")
        return file.getvalue()

    def _line(self) -> str:
        width, height = self.picture.size
        line = f"{width} × {height} pixels, {counted(self.steps, 'step')} in {self.seconds:.1f} s"
        if self.losses:
            line += f", loss {self.losses[0]:.4g} → {self.losses[-1]:.4g}"
        return f"{line} (stopped: {self.stopped})" if self.stopped else line

    def as_record(self) -> dict[str, object]:
        """The result as one JSON record, without the picture."""
        losses = {"first": self.losses[0], "last": self.losses[-1]} if self.losses else None
        return {
            "output": self.settings.output,
            "width": self.picture.width,
            "height": self.picture.height,
            "steps": self.steps,
            "seconds": round(self.seconds, 3),
            "loss": losses,
            "terms": self.terms,
            "device": self.device,
            "precision": self.precision,
            "extractor": str(self.settings.extractor),
            "weights": self.weights,
            "seed": self.settings.seed,
            "stopped": self.stopped,
            "changes": [change.as_list() for change in self.changes],
        }


class RunFailed(ImpastoError):
    """A run that ended with an error after it began; its picture so far is kept."""

    def __init__(self, message: str, result: Result, settings: Sequence[str] = ()) -> None:
        super().__init__(message, settings=settings)
        self.result = result
        """The result up to where the run ended."""


class Interrupted(KeyboardInterrupt):
    """A run that was stopped from outside (Ctrl-C); its picture so far is kept."""

    def __init__(self, message: str, result: Result, number: int = signal.SIGINT) -> None:
        super().__init__(message)
        self.result = result
        """The result up to where the run ended."""
        self.number = number
        """Number of the signal that stopped it."""
