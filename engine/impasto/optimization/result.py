"""What a run hands out: a record of each step, the result, and what a run that ended early has."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from torch import Tensor

from impasto.errors import ImpastoError
from impasto.optimization.stages import Stage
from impasto.settings.settings import Settings

if TYPE_CHECKING:
    from PIL.Image import Image


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


@dataclass(frozen=True)
class Result:
    """What a run gives."""

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
    alpha: Tensor | None = None
    """Alpha of the content picture, (1, 1, H, W) in [0, 1]; None is opaque."""

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
        }


class RunFailed(ImpastoError):
    """A run that ended with an error after it began; its picture so far is kept."""

    def __init__(self, message: str, result: Result, settings: Sequence[str] = ()) -> None:
        super().__init__(message, settings=settings)
        self.result = result
        """The run as far as it came."""


class Interrupted(KeyboardInterrupt):
    """A run that was stopped from outside (Ctrl-C); its picture so far is kept."""

    def __init__(self, message: str, result: Result, number: int = signal.SIGINT) -> None:
        super().__init__(message)
        self.result = result
        """The run as far as it came."""
        self.number = number
        """Of the signal that stopped it."""
