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
from impasto.model.flow import Flow, agreement, in_view, warped
from impasto.optimization.provenance import versions
from impasto.optimization.shared import checksum_of

SAME, SURE = 0.2, 0.1
"""Largest difference of a color, in [0, 1], between a pixel and the one that flow says it was: to be held to
it, and to start from it."""


@dataclass(frozen=True)
class Held:
    """A painted frame as it would look in a later one, which is held to it, as files."""

    picture: str
    mask: str
    """White where the flows agree."""

    @property
    def files(self) -> dict[str, str]:
        """By the names that the options of the loss ``temporal`` have."""
        return {"picture": self.picture, "mask": self.mask}


@dataclass(frozen=True)
class Carried:
    """What a frame takes over, as files."""

    start: str
    """The picture to start from: painted where that was in view before, and elsewhere :func:`recolored`."""
    held: tuple[Held, ...]
    """To what it is held: the frame before first, then those further back."""

    @property
    def names(self) -> list[str]:
        """All files."""
        return [self.start, *(name for one in self.held for name in one.files.values())]


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

    def to(self, frame: Frame, scene: Sequence[tuple[Frame, str]]) -> Carried | None:
        """What a frame takes over from those before.

        The masks are those of Ruder et al. 2016, section 4.2: a frame further back counts only where no
        nearer one does. They start from the warped frame alone, which drags colors over what comes into view
        until a whole region has them; so that starts from the film's frame, in colors as they were painted.

        Args:
            frame: that is to be painted.
            scene: frames of the scene before it in order, each with its painted picture.

        Returns:
            None where a scene begins.
        """
        back = sorted({1, *self.long_term})
        earlier = [scene[-far] for far in back if far <= len(scene)]
        if not earlier:
            return None
        key = self._key(frame, earlier)
        place = self.folder / "carried"
        made = [place / f"{frame.number:06}-{one.number:06}-{key}" for one, _ in earlier]
        held = tuple(Held(f"{one}.png", f"{one}-mask.png") for one in made)
        carried = Carried(os.fspath(place / f"{frame.number:06}-{key}-start.png"), held)
        begins = place / f"{frame.number:06}-{key}.cut"
        if begins.exists():
            return None
        if all(map(os.path.exists, carried.names)):
            return carried
        place.mkdir(parents=True, exist_ok=True)
        if self._made(frame, earlier, carried):
            return carried
        begins.touch()
        return None

    def _key(self, frame: Frame, earlier: Sequence[tuple[Frame, str]]) -> str:
        files = [frame.file, *(name for one, painted in earlier for name in (one.file, painted))]
        return checksum_of([*map(checksum, files)], self.spec, self.cut, versions())[:16]

    def _made(self, frame: Frame, earlier: Sequence[tuple[Frame, str]], carried: Carried) -> bool:
        """Write the files; False where a scene begins."""
        image = open_picture(frame.file).image
        start = taken = known = torch.zeros_like(image[:, :1])
        for number, ((one, painted), names) in enumerate(zip(earlier, carried.held, strict=True)):
            before, picture = open_picture(one.file).image, open_picture(painted).image
            forward, backward = self._between(before, image), self._between(image, before)
            moved = warped(before, backward)
            agrees = agreement(forward, backward) * alike(image, moved, SAME)
            if number == 0:
                if float(agrees.mean()) < self.cut:
                    return False
                start = recolored(image, before, picture)
            mask = (agrees - taken).clamp_min(0)
            taken = (taken + agrees).clamp_max(1)
            new = (in_view(forward, backward) * alike(image, moved, SURE) - known).clamp_min(0)
            known = known + new
            seen = warped(picture, backward)
            start = torch.lerp(start, seen, new)
            write_png(Path(names.picture), seen, depth=16)
            write_png(Path(names.mask), mask.expand(-1, 3, -1, -1))
        write_png(Path(carried.start), start, depth=16)
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


def alike(image: Tensor, before: Tensor, limit: float) -> Tensor:
    """Where colors are much the same: 1 there, and 0 elsewhere, (1, 1, H, W).

    Flows between pictures without texture are all zero, and agree.

    Args:
        image: of the frame, (1, 3, H, W).
        before: the frame before, warped to it.
        limit: largest difference of a channel.
    """
    return ((image - before).abs().amax(1, keepdim=True) < limit).to(image)


def recolored(image: Tensor, before: Tensor, painted: Tensor) -> Tensor:
    """A frame in the colors that its colors were painted with: the linear map with the least squares.

    Args:
        image: of the frame, (1, 3, H, W).
        before: another frame of the film.
        painted: that one as it was painted.
    """
    rows = [one[0].flatten(1).T.double() for one in (image, before, painted)]
    known, others = (torch.nn.functional.pad(one, (0, 1), value=1.0) for one in rows[1::-1])
    # A frame of one color has no unique map.
    solution = torch.linalg.lstsq(known, rows[2], driver="gelsd").solution
    made: Tensor = (others @ solution).clamp(0, 1).T.reshape(image.shape).to(image)
    return made
