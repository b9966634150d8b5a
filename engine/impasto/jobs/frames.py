"""The frames of a film, or of a sequence of pictures, as picture files of the size that is painted."""

from __future__ import annotations

import glob
import logging
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from torch import Tensor

from impasto.errors import OutputError, PictureError, SettingsError
from impasto.files.whole import written_whole
from impasto.images.films import FilmFrame, FilmInfo, even_side, film_info, frames_of
from impasto.images.reading import SMALLEST_SIDE, open_picture
from impasto.images.tensors import fitted, resized
from impasto.images.writing import PictureMetadata, write_picture
from impasto.jobs.job import checksum
from impasto.jobs.rows import files_in, picture_suffixes
from impasto.optimization.shared import checksum_of
from impasto.settings.settings import Settings

logger = logging.getLogger("impasto")

NUMBERED = re.compile(r"%0?(\d*)d")
"""Stands for the number of a frame in the name of a sequence, as FFmpeg has it: ``frame_%04d.png``."""


@dataclass(frozen=True)
class Frame:
    """One frame that is painted."""

    number: int
    """In the film, from 1 on."""
    time: Fraction
    """Seconds since the film began."""
    file: str
    """Picture of the size that is painted."""


@dataclass(frozen=True)
class Range:
    """Which frames of a film are painted."""

    start: float = 0.0
    """Seconds since the film began."""
    end: float | None = None
    """The same; a frame at that time is left out. None is the film's end."""
    every: int = 1
    """Of so many frames the first."""

    def has(self, index: int, time: Fraction) -> bool:
        """Whether a frame is painted.

        Args:
            index: among the frames from ``start`` on, from 0.
            time: of the frame.
        """
        return self.start <= time and not self.is_over(time) and index % self.every == 0

    def is_over(self, time: Fraction) -> bool:
        """Whether a time is beyond the end."""
        return self.end is not None and time >= self.end


@dataclass(frozen=True)
class Source:
    """A film or a sequence of pictures."""

    info: FilmInfo
    files: tuple[str, ...] = ()
    """Of a sequence; none is a film."""

    @classmethod
    def of(cls, name: str, fps: float, max_megapixels: float) -> Source:
        """What a name stands for: a film; or a folder, a pattern or a numbered name of pictures.

        Args:
            name: ``in.mp4``, ``frames/``, ``'frames/*.png'`` or ``frames/%04d.png``.
            fps: frames a second of a sequence.
            max_megapixels: pixels that a frame may have, in millions.

        Raises:
            PictureError: no film, or no pictures.
            SettingsError: a folder or pattern without pictures.
        """
        if not os.path.isdir(name) and not NUMBERED.search(name) and not is_pattern(name):
            return cls(film_info(name, max_megapixels))
        files = sequence(name)
        say_gap(files)
        width, height = open_picture(files[0], max_megapixels).size
        rate = Fraction(fps).limit_denominator(1001)
        return cls(FilmInfo(name, width, height, rate, 1 / rate, None), tuple(files))

    def frames(self, max_megapixels: float, end: float | None = None) -> Iterator[FilmFrame]:
        """The frames in order; see :func:`impasto.images.films.frames_of`."""
        if not self.files:
            yield from frames_of(self.info.path, end)
            return
        for number, file in enumerate(self.files, 1):
            photo = open_picture(file, max_megapixels)
            if photo.size != (self.info.width, self.info.height):
                width, height = photo.size
                raise PictureError(
                    f"picture '{file}' has {width} × {height} pixels and the first {self.info.width} ×"
                    f" {self.info.height}; all need one size"
                )
            yield FilmFrame(number, (number - 1) / self.info.rate, photo.image)

    def checksum(self) -> str:
        """Of the film's file, or of all pictures."""
        return checksum_of(*map(checksum, self.files or (self.info.path,)))


def is_pattern(name: str) -> bool:
    """Whether a name has stars or brackets, and no file is called so."""
    return glob.has_magic(name) and not os.path.lexists(name)


def sequence(name: str) -> list[str]:
    """The pictures of a sequence in the order of the numbers in their names.

    Raises:
        SettingsError: there are none.
    """
    pattern = NUMBERED.sub("[0-9]*", name)
    files = files_in(pattern, "film", picture_suffixes())
    if pattern != name:
        digits = re.compile(NUMBERED.sub(r"\\d+", re.escape(name)))
        files = [file for file in files if digits.fullmatch(file)]
    if not files:
        raise SettingsError(f"film '{name}' has no pictures")
    return sorted(files, key=natural)


def say_gap(files: Sequence[str]) -> None:
    """Log the first place where numbers are missing in a sequence that is otherwise even."""
    numbers = [int((re.findall(r"\d+", Path(file).stem) or ["0"])[-1]) for file in files]
    steps = [after - before for before, after in pairwise(numbers)]
    usual = min(steps, default=1)
    place = next((at for at, step in enumerate(steps) if usual > 0 and step > usual), None)
    if place is not None:
        logger.warning(
            "numbers are missing between '%s' and '%s': the pictures follow each other as if none were",
            *(files[place], files[place + 1]),
        )


def natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts ``2.png`` before ``10.png``.

    >>> sorted(["10.png", "2.png"], key=natural)
    ['2.png', '10.png']
    """
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]


def size_of(source: Source, settings: Settings, even: bool) -> tuple[int, int]:
    """Width and height, pixels, in which the frames are painted.

    Args:
        source: says their shape.
        settings: ``size`` and ``side`` count.
        even: whether the sides have to be even, as films want it.

    Raises:
        SettingsError: a width and a height, where the film gives the shape; or frames that are too small.
    """
    if settings.size != "original" and not isinstance(settings.size, int):
        raise SettingsError(
            f"size {settings.size}: a film gives the shape of its frames; give the length of one side",
            settings=("size",),
        )
    width, height = source.info.width, source.info.height
    if isinstance(settings.size, int):
        width, height = fitted(width, height, settings.size, settings.side)
    if even:
        width, height = even_side(width), even_side(height)
    if min(width, height) < SMALLEST_SIDE:
        raise SettingsError(
            f"frames would have {width} × {height} pixels; each side needs at least {SMALLEST_SIDE}",
            settings=("size",),
        )
    return width, height


def extracted(
    source: Source, chosen: Range, size: tuple[int, int], folder: Path, max_megapixels: float
) -> list[Frame]:
    """Write the frames that are painted as files, those that are not there yet.

    Args:
        source: the film.
        chosen: which of its frames.
        size: width and height that they get, pixels.
        folder: for files that are needed as long as the film is painted.
        max_megapixels: pixels that a frame may have, in millions.

    Raises:
        PictureError: a frame cannot be read, or they differ in size; or there are none in the range.
        OutputError: a file cannot be written.
    """
    width, height = size
    place = folder / f"film-{checksum_of(source.checksum(), size)[:16]}"
    place.mkdir(parents=True, exist_ok=True)
    frames: list[Frame] = []
    index, last = 0, Fraction(0)
    for one in source.frames(max_megapixels, chosen.end):
        last = one.time
        if chosen.is_over(one.time):
            break
        if chosen.has(index, one.time):
            file = place / f"{one.number:06}.png"
            if not file.exists():
                write_png(file, resized(one.image, height, width))
            frames.append(Frame(one.number, one.time, os.fspath(file)))
        index += one.time >= chosen.start
    if not frames:
        raise PictureError(
            f"film '{source.info.path}' has no frames from {chosen.start:g} s on: the last is at"
            f" {float(last):.3g} s",
            settings=("from", "to"),
        )
    return frames


def write_png(file: Path, image: Tensor, depth: int = 8) -> None:
    """Write a picture as a PNG, whole or not at all.

    Args:
        file: to write.
        image: (1, 3, H, W) sRGB in [0, 1].
        depth: bits per channel.

    Raises:
        OutputError: it cannot be written.
    """
    with written_whole(file) as part:
        write_picture(part, image, PictureMetadata(), depth)


def names_of(output: str) -> tuple[Path, str] | None:
    """Folder and name of the painted frames that an output stands for; None for a film.

    Raises:
        OutputError: the number of a frame stands in the name of a folder.
    """
    head, tail = os.path.split(output)
    if NUMBERED.search(tail):
        if NUMBERED.search(head):
            raise OutputError(f"output '{output}': the number goes into the name of the file")
        return Path(head), tail
    if os.path.isdir(output) or not Path(output).suffix:
        return Path(output), "frame_%06d.png"
    return None


def numbered(name: str, number: int) -> str:
    """The name of a frame.

    >>> numbered("frame_%04d.png", 12)
    'frame_0012.png'
    """
    found = NUMBERED.search(name)
    digits = int(found[1] or 1) if found else 1
    with suppress(OverflowError):
        return NUMBERED.sub(str(number).zfill(min(digits, 20)), name, count=1)
    return name
