"""The state of a run, and the small records that it hands out: stage, step, result."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from impasto.images.tensors import Photo, fitted, resized

if TYPE_CHECKING:
    from PIL.Image import Image

    from impasto.host.host import Host
    from impasto.model.canvas import Canvas
    from impasto.model.masks import Region
    from impasto.model.objective import Objective, StyleStatistics
    from impasto.optimization.ema import EMA
    from impasto.optimization.guard import Guard
    from impasto.optimization.schedule import Schedule
    from impasto.settings.settings import Settings
    from impasto.settings.style import Style
    from impasto.storage.style_file import SavedStyleStatistics


@dataclass(frozen=True)
class Stage:
    """One size of a run. A plain run has one stage."""

    number: int
    """Counted from 0."""
    width: int
    """Pixels."""
    height: int
    """Pixels."""
    steps: int
    """Optimizer steps of this stage."""

    def style_size(self, width: int, height: int, fit: str, style: Style) -> tuple[int, int]:
        """Width and height, pixels, that a style picture of this width and height gets.

        Args:
            width: of the style picture, pixels.
            height: of the style picture, pixels.
            fit: ``keep`` its shape, or ``stretch`` it to the stage's.
            style: its scale, or its size, counts.
        """
        if fit == "stretch" and style.size is None:
            return max(1, round(self.width * style.scale)), max(1, round(self.height * style.scale))
        longer = style.size or max(1, round(max(self.width, self.height) * style.scale))
        return fitted(width, height, longer)


@dataclass(frozen=True)
class Step:
    """One optimizer step. Losses are those of the canvas before the step.

    Nothing here waits for the device until ``loss`` or ``terms`` is read.
    """

    number: int
    """Counted from 1, over all stages."""
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
    """The same before rounding: (1, 3, H, W) float32 sRGB in [0, 1], on the CPU."""
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
    """Where it was computed."""
    precision: str
    """Precision of the network."""
    weights: str
    """Weights of the extractor."""
    stopped: str = ""
    """Why it ended early; empty if all steps were done."""
    alpha: Tensor | None = None
    """The content picture's, (1, 1, H, W) in [0, 1]; None is opaque."""

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


@dataclass
class Run:
    """The mutable state of a run. Plugins get it in every life-cycle hook."""

    settings: Settings
    host: Host
    device: torch.device
    precision: torch.dtype
    content: Tensor
    """(1, 3, H, W) sRGB in [0, 1], at its own size, on the CPU."""
    styles: list[Tensor | SavedStyleStatistics]
    """Like ``content``, one for each style picture; or what a style file has in its place."""
    regions: list[Region]
    """Which styles paint where, masks at their own size."""
    style_masks: list[Tensor | None]
    """(1, 1, H, W) in [0, 1], the part of each style picture that counts, at its own size."""
    start: Tensor
    """The first canvas, (1, 3, H, W) sRGB in [0, 1], at the size of the first stage."""
    stages: list[Stage]
    objective: Objective
    evaluate: Callable[[Tensor], tuple[Tensor, Tensor]]
    """The objective, compiled where that was chosen."""
    generator: torch.Generator
    """Source of all that is random in the run, on the CPU."""

    photo: Photo | None = None
    """The content picture with its alpha, profile and metadata."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of each file that the run is made from, by its name in the settings."""
    step: int = 0
    """Steps done, over all stages."""
    stage: Stage | None = None
    canvas: Canvas | None = None
    optimizer: torch.optim.Optimizer | None = None
    schedule: Schedule | None = None
    """Of the optimizer's rate; None keeps it."""
    guard: Guard | None = None
    """Of the stage: sends the canvas back to its best picture should the loss explode."""
    ema: EMA | None = None
    """Of the stage's pictures; None where the last one counts."""
    whole: bool = False
    """Between two steps of a stage; while a step changes the state it is neither old nor new."""
    resumed: Mapping[str, Any] | None = None
    """State of the checkpoint that the run goes on from, until its first stage has taken it up."""
    stopping: str | None = None
    """Reason to stop after this step; the loop reads it in one place."""
    started: float = field(default_factory=time.perf_counter)
    seconds_before: float = 0.0
    """Time of the steps before the run was resumed."""
    loss_tensors: list[Tensor] = field(default_factory=list)
    last_step: Step | None = None

    @property
    def total_steps(self) -> int:
        """Steps of all stages."""
        return sum(stage.steps for stage in self.stages)

    @property
    def seconds(self) -> float:
        """Time of the steps so far, start-up left out."""
        return self.seconds_before + time.perf_counter() - self.started

    def done_in(self, stage: Stage) -> int:
        """Steps of a stage that are done, if those before it are complete."""
        return self.step - sum(before.steps for before in self.stages[: stage.number])

    def stages_ahead(self) -> list[Stage]:
        """The stages that are not complete; the first may have been begun before a resume."""
        return self.stages[self.resumed["stage"] :] if self.resumed else self.stages

    def stop(self, reason: str) -> None:
        """Ask the run to end after the current step; its result is kept and counts as complete."""
        self.stopping = self.stopping or reason

    def picture(self) -> Tensor:
        """The picture so far, averaged if so asked: (1, 3, H, W) float32 sRGB in [0, 1]."""
        averaged = self.ema.picture() if self.ema is not None else None
        if averaged is not None:
            return averaged
        return self.start if self.canvas is None else self.canvas.picture()

    def styles_at(self, stage: Stage) -> list[Tensor | StyleStatistics]:
        """The style pictures at the size that they have in a stage, or their summaries, on the device.

        What a mask leaves of a picture is summarized here, as are style files.
        """
        at_size: list[Tensor | StyleStatistics] = []
        for image, mask, style in zip(
            self.styles, self.style_masks, self.settings.style, strict=True
        ):
            if not isinstance(image, Tensor):
                at_size.append(on_device(image.at(stage), self.device))
                continue
            fit = self.settings.style_fit
            width, height = stage.style_size(image.shape[3], image.shape[2], fit, style)
            sized = resized(image, height, width).to(self.device)
            if mask is None:
                at_size.append(sized)
            else:
                part = resized(mask, height, width).to(self.device)
                at_size.append(self.objective.learn(sized, part))
        return at_size

    def losses(self) -> list[float]:
        """Total loss of each step so far. Waits for the device."""
        return torch.stack(self.loss_tensors).tolist() if self.loss_tensors else []


def on_device(summaries: StyleStatistics, device: torch.device) -> StyleStatistics:
    """The same summaries, on a device."""
    return {
        term: {
            layer: {key: value.to(device) for key, value in summary.items()}
            for layer, summary in layers.items()
        }
        for term, layers in summaries.items()
    }
