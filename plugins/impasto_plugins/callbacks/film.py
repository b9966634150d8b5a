"""Films: pictures in files one after another, as GIF, WebP or MP4.

Not a plugin: what the callback ``timelapse`` writes with. GIF and WebP are Pillow's; MP4 is FFmpeg's,
through PyAV.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from PIL import Image

from impasto.plugin import even_side, film_frame, film_stream, open_picture


@dataclass(frozen=True)
class Film:
    """Size and times of a film."""

    width: int
    """Width in pixels; pictures of another size are scaled to it."""
    height: int
    """Height in pixels."""
    fps: float
    """Frames a second."""
    hold: float
    """Seconds that the last frame stays, beyond its turn."""

    def frames(self, pictures: Sequence[Path]) -> Iterator[Image.Image]:
        """The pictures in RGB at the film's size, read one at a time."""
        for path in pictures:
            size = (self.width, self.height)
            yield open_picture(path, smallest_side=1).picture.resize(size, Image.Resampling.LANCZOS)

    def milliseconds(self, count: int) -> list[int]:
        """How long each of so many frames is shown."""
        turn = round(1000 / self.fps)
        return [turn] * (count - 1) + [turn + round(1000 * self.hold)]


def write_film(path: Path, pictures: Sequence[Path], film: Film) -> None:
    """Write a film in the format of its suffix.

    Args:
        path: with one of ``FORMATS``.
        pictures: picture files, one or more, in order.
        film: size and times.

    Raises:
        OSError: it cannot be written.
    """
    FORMATS[path.suffix.lower()](path, pictures, film)


def write_gif(path: Path, pictures: Sequence[Path], film: Film) -> None:
    """Write an endless GIF, with a palette of its own for each frame; times in hundredths of a second."""
    frames = (frame.quantize(dither=Image.Dither.FLOYDSTEINBERG) for frame in film.frames(pictures))
    next(frames).save(
        path, "GIF", save_all=True, append_images=frames, loop=0,
        duration=film.milliseconds(len(pictures)),
    )  # fmt: skip


def write_webp(path: Path, pictures: Sequence[Path], film: Film) -> None:
    """Write an endless WebP."""
    frames = film.frames(pictures)
    next(frames).save(
        path, "WEBP", save_all=True, append_images=frames, loop=0, quality=85,
        duration=film.milliseconds(len(pictures)),
    )  # fmt: skip


def write_mp4(path: Path, pictures: Sequence[Path], film: Film) -> None:
    """Write an MP4: H.264 in the form that browsers play, half the color resolution, hence even sides."""
    import av  # Takes a while, and only this format needs it.

    even = Film(even_side(film.width), even_side(film.height), film.fps, film.hold)
    with av.open(path, "w", format="mp4", options={"movflags": "faststart"}) as container:
        rate = Fraction(film.fps).limit_denominator(1000)
        stream = film_stream(container, "libx264", rate, even.width, even.height)
        for picture in held(even.frames(pictures), round(film.hold * film.fps)):
            container.mux(stream.encode(film_frame(picture)))
        container.mux(stream.encode())


def held(frames: Iterator[Image.Image], times: int) -> Iterator[Image.Image]:
    """The frames, with the last one repeated so many times more."""
    for frame in frames:
        last = frame
        yield frame
    for _ in range(times):
        yield last


FORMATS = {".gif": write_gif, ".webp": write_webp, ".mp4": write_mp4}
"""Writers by the file's suffix."""
