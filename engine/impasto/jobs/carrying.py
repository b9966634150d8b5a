"""What a frame of a film takes over from painted ones before it: pictures warped to it, and masks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from impasto.errors import PluginError
from impasto.images.reading import open_picture
from impasto.jobs.frames import Frame, write_png
from impasto.jobs.job import checksum
from impasto.model.flow import Flow, agreement, warped
from impasto.optimization.provenance import versions
from impasto.optimization.shared import checksum_of

SAME = 0.2
"""Largest difference of a color, in [0, 1], between a pixel and the one that flow says it was."""


@dataclass(frozen=True)
class Carried:
    """A painted frame as it would look in a later one, as files."""

    picture: str
    mask: str
    """White where the flows agree."""

    @property
    def files(self) -> dict[str, str]:
        """By the names that the options of the loss ``temporal`` have."""
        return {"picture": self.picture, "mask": self.mask}


@dataclass(frozen=True)
class Carrying:
    """Makes the pictures that frames take over from those before, unless they are there."""

    flow: Flow
    spec: str
    """Of the flow."""
    cut: float
    """Part of a frame that must be found in the one before, in [0, 1]."""
    long_term: Sequence[int]
    """How many frames back there are others, besides the one before."""
    folder: Path
    """For the files."""

    def to(self, frame: Frame, scene: Sequence[tuple[Frame, str]]) -> list[Carried]:
        """What a frame takes over: from the one before first, then from those further back.

        The masks are those of Ruder et al. 2016, section 4.2: a frame further back counts only where no
        nearer one does.

        Args:
            frame: that is to be painted.
            scene: frames of the scene before it in order, each with its painted picture.

        Returns:
            Nothing where a scene begins.
        """
        back = sorted({1, *self.long_term})
        earlier = [scene[-far] for far in back if far <= len(scene)]
        if not earlier:
            return []
        key = self._key(frame, earlier)
        place = self.folder / "carried"
        made = [place / f"{frame.number:06}-{one.number:06}-{key}" for one, _ in earlier]
        files = [Carried(f"{one}.png", f"{one}-mask.png") for one in made]
        begins = place / f"{frame.number:06}-{key}.cut"
        if begins.exists():
            return []
        if all(os.path.exists(name) for one in files for name in one.files.values()):
            return files
        place.mkdir(parents=True, exist_ok=True)
        if self._made(frame, earlier, files):
            return files
        begins.touch()
        return []

    def _key(self, frame: Frame, earlier: Sequence[tuple[Frame, str]]) -> str:
        files = [frame.file, *(name for one, painted in earlier for name in (one.file, painted))]
        return checksum_of([*map(checksum, files)], self.spec, self.cut, versions())[:16]

    def _made(
        self, frame: Frame, earlier: Sequence[tuple[Frame, str]], files: Sequence[Carried]
    ) -> bool:
        """Write the pictures and masks; False where a scene begins."""
        image = open_picture(frame.file).image
        taken = torch.zeros_like(image[:, :1])
        for number, ((one, painted), names) in enumerate(zip(earlier, files, strict=True)):
            before = open_picture(one.file).image
            backward = self._between(image, before)
            agrees = agreement(self._between(before, image), backward)
            if number == 0 and found(image, warped(before, backward), agrees) < self.cut:
                return False
            mask = (agrees - taken).clamp_min(0)
            taken = (taken + agrees).clamp_max(1)
            write_png(Path(names.picture), warped(open_picture(painted).image, backward), depth=16)
            write_png(Path(names.mask), mask.expand(-1, 3, -1, -1))
        return True

    def _between(self, before: Tensor, after: Tensor) -> Tensor:
        flow = self.flow.between(before, after)
        shape = (1, 2, *before.shape[2:])
        if not isinstance(flow, Tensor) or flow.shape != shape or not flow.isfinite().all():
            given = tuple(flow.shape) if isinstance(flow, Tensor) else type(flow).__name__
            raise PluginError(
                f"flow '{self.spec}' returned {given}, not a finite tensor of {shape}"
            )
        return flow.detach().float().cpu()


def found(image: Tensor, before: Tensor, agrees: Tensor) -> float:
    """The part of a frame that is in the one before: where flows agree, and colors are much the same.

    Colors count, since flows between pictures without texture are all zero, and agree.

    Args:
        image: of the frame, (1, 3, H, W).
        before: the frame before, warped to it.
        agrees: (1, 1, H, W), 1 where the flows do.
    """
    same = (image - before).abs().amax(1, keepdim=True) < SAME
    return float((agrees * same).mean())
