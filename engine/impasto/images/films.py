"""Films in and out: frames upright and in sRGB with their times, sound as it is; FFmpeg's, through PyAV."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy
import torch
from PIL.Image import Image
from torch import Tensor

from impasto.errors import OutputError, PictureError
from impasto.images.code_points import HIGH_DYNAMIC_RANGE
from impasto.images.reading import open_picture

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

logger = logging.getLogger("impasto")

CODECS = {".mp4": "libx264", ".mov": "libx264", ".mkv": "libx264", ".webm": "libvpx-vp9"}
"""The codec of the pictures by the film's suffix."""

QUALITY = {"libx264": {"crf": "18"}, "libvpx-vp9": {"crf": "24", "b": "0"}}
"""Options of each codec: hardly to be told from the frames."""

PLAYLISTS = ("hls", "dash", "concat", "imf", "lavfi", "image2")
"""Formats that name other files, or places of the network: not read."""


@dataclass(frozen=True)
class FilmInfo:
    """What a film is, before its frames are read."""

    path: str
    width: int
    """Of the first frame, upright and with square pixels."""
    height: int
    rate: Fraction
    """Frames a second, on average."""
    time_base: Fraction
    """Seconds; times of frames are multiples of it."""
    sound: str | None
    """Codec of the sound; None is a film without."""


@dataclass(frozen=True)
class FilmFrame:
    """One frame of a film."""

    number: int
    """From 1 on."""
    time: Fraction
    """Seconds since the film began."""
    image: Tensor
    """(1, 3, H, W) sRGB in [0, 1], upright, with square pixels."""


def film_info(path: str, max_megapixels: float) -> FilmInfo:
    """What a film is.

    Args:
        path: of a film file.
        max_megapixels: pixels that a frame may have, in millions.

    Raises:
        PictureError: no such file, no film, no frames, or frames too large.
    """
    with opened(path) as container:
        stream = pictures_in(container, path)
        if stream.width * stream.height > max_megapixels * 1e6:
            raise PictureError(
                f"film '{path}': frames of {stream.width} × {stream.height} pixels are more than the"
                f" {max_megapixels:g} megapixels allowed",
                settings=("max_megapixels",),
            )
        # Whether it is turned is known from a frame alone.
        first = next(iter(container.decode(stream)), None)
        if first is None:
            raise PictureError(f"film '{path}' has no frames")
        height, width = upright(first, stream).shape[2:]
        say_what_is_left_out(first, path)
        sound = container.streams.best("audio")
        rate = stream.average_rate or stream.guessed_rate or Fraction(25)
        base = stream.time_base or 1 / rate
        return FilmInfo(path, width, height, rate, base, sound.codec.name if sound else None)


def say_what_is_left_out(frame: VideoFrame, path: str) -> None:
    """Log what a film has that its painted one will not show."""
    if kind := HIGH_DYNAMIC_RANGE.get(int(frame.color_trc)):
        logger.warning(
            "film '%s' has a high dynamic range (%s): its colors are taken as sRGB and look pale",
            *(path, kind),
        )
    if frame.rotation % 90:
        logger.warning("film '%s' is shown turned by %d°, which is left out", path, frame.rotation)


def frames_of(path: str, end: float | None = None) -> Iterator[FilmFrame]:
    """The frames of a film in the order in which they are shown.

    Args:
        path: of the film.
        end: seconds that are wanted; None is all. A film that is cut off after that is not refused.

    Raises:
        PictureError: it cannot be read, its frames differ in size, or it ends before it should.
    """
    with opened(path) as container:
        stream = pictures_in(container, path)
        rate = stream.average_rate or Fraction(25)
        start: Fraction | None = None
        size: tuple[int, ...] | None = None
        ends, number = Fraction(0), 0
        for number, frame in zip(count(1), container.decode(stream), strict=False):
            image = upright(frame, stream)
            size = size or image.shape
            if image.shape != size:
                raise PictureError(
                    f"film '{path}': frame {number} has {image.shape[3]} × {image.shape[2]} pixels and the"
                    f" first {size[3]} × {size[2]}; all need one size"
                )
            time = (number - 1) / rate
            if frame.pts is not None and frame.time_base is not None:
                time = frame.pts * frame.time_base
            start = time if start is None else start
            ends = time - start + (frame.duration or 0) * (frame.time_base or 1 / rate)
            yield FilmFrame(number, time - start, image)
        if end is None or end > ends + Fraction(1, 1000):
            refuse_cut_off(container, stream, number, ends)


def refuse_cut_off(
    container: InputContainer, stream: VideoStream, frames: int, ends: Fraction
) -> None:
    """Refuse a film that has less than it says: FFmpeg reads the rest without a word.

    A tenth, and half a second, are allowed: cuts without encoding leave out frames.

    Args:
        container: of the film.
        stream: of its pictures.
        frames: that were read.
        ends: seconds of the last one's end.

    Raises:
        PictureError: it was cut off.
    """
    # The length of the whole may be that of the sound.
    whole = Fraction(container.duration or 0, 1_000_000) if not container.streams.audio else 0
    if stream.frames:
        short = frames < 0.9 * stream.frames - 1
        what = f"have {stream.frames} frames, of which {frames} can be read"
    else:
        short = ends < Fraction(9, 10) * whole - Fraction(1, 2)
        what = f"last {float(whole):.3g} s, of which {float(ends):.3g} s can be read"
    if short:
        raise PictureError(
            f"film '{container.name}' is cut off: it should {what}; end at {float(ends):.3f} s to"
            " paint what is there",
            settings=("to",),
        )


@contextmanager
def opened(path: str) -> Iterator[InputContainer]:
    """A film that is open; whatever FFmpeg has to say about it becomes one line.

    Raises:
        PictureError: no such file, or no film.
    """
    import av  # Takes a while, and only films need it.

    if not os.path.isfile(path):
        what = "is no file" if os.path.lexists(path) else "does not exist"
        raise PictureError(f"film '{path}' {what}")
    try:
        with av.open(path, options={"protocol_whitelist": "file"}) as container:
            names = container.format.name.split(",")
            if any(name in PLAYLISTS or name.endswith("_pipe") for name in names):
                raise PictureError(
                    f"'{path}' is no film, but of the format {container.format.name}"
                )
            yield container
    except (av.FFmpegError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PictureError(f"film '{path}' cannot be read: {reason}") from None


def pictures_in(container: InputContainer, path: str) -> VideoStream:
    """The stream of pictures of a film, decoded by several threads.

    Raises:
        PictureError: it has none, or it cannot be decoded.
    """
    stream = container.streams.best("video")
    if stream is None or not stream.codec_context:
        raise PictureError(f"'{path}' has no moving pictures")
    found: VideoStream = stream  # type: ignore[assignment]
    found.thread_type = "AUTO"
    return found


def upright(frame: VideoFrame, stream: VideoStream) -> Tensor:
    """A frame as a viewer shows it: turned, with square pixels; (1, 3, H, W) sRGB in [0, 1]."""
    ratio = stream.sample_aspect_ratio or Fraction(1)
    width = max(1, round(frame.width * ratio))
    levels = frame.to_ndarray(format="rgb24", width=width, height=frame.height)
    turned = numpy.ascontiguousarray(numpy.rot90(levels, round(frame.rotation / 90)))
    return torch.from_numpy(turned).permute(2, 0, 1)[None].float().div(255)


def check_film_output(path: str, sound: str | None) -> None:
    """Refuse, before any work, a film that could not be written.

    Args:
        path: with a suffix of :data:`CODECS`.
        sound: codec of the sound that goes with it; None for none.

    Raises:
        OutputError: this FFmpeg lacks the codec, or the format cannot hold the sound.
    """
    import av

    suffix = Path(path).suffix.lower()
    codec = CODECS[suffix]
    try:
        av.codec.Codec(codec, "w")
    except (av.FFmpegError, ValueError):
        raise OutputError(
            f"output '{path}': this build of FFmpeg cannot write {codec}, which {suffix} needs; of"
            f" {', '.join(other for other in CODECS if other != suffix)} another may do"
        ) from None
    with av.open(os.devnull, "w", format=FORMATS.get(suffix, suffix[1:])) as container:
        if sound is not None and sound not in container.supported_codecs:
            raise OutputError(
                f"output '{path}': {suffix} cannot hold the sound, which is {sound}; .mkv can, or leave it"
                " out: sound off",
                settings=("sound",),
            )


FORMATS = {".mkv": "matroska"}
"""FFmpeg's names of formats that are not the suffix."""


def write_film(
    path: Path,
    suffix: str,
    frames: Iterable[tuple[Fraction, Path]],
    info: FilmInfo,
    begin: Fraction = Fraction(0),
    end: Fraction | None = None,
) -> None:
    """Write a film of picture files, with the sound of another film.

    Args:
        path: to write.
        suffix: of :data:`CODECS`; says the format.
        frames: time in seconds and file of each, in order, of one size with even sides.
        info: times of frames are multiples of its time base; its sound goes with them.
        begin: seconds of its sound that are left out.
        end: seconds after which its sound ends; None is all of it.

    Raises:
        OSError: it cannot be written.
    """
    import av

    options = {"movflags": "faststart"} if suffix in (".mp4", ".mov") else {}
    try:
        with (
            av.open(
                path, "w", format=FORMATS.get(suffix, suffix[1:]), options=options
            ) as container,
            sound_of(info, container, begin, end) as sound,
        ):
            writer = FrameWriter(container, CODECS[suffix], info)
            waiting = next(sound, None)
            for time, file in frames:
                writer.add(time, file)
                while waiting is not None and waiting[0] <= time:
                    container.mux(waiting[1])
                    waiting = next(sound, None)
            writer.end()
            while waiting is not None:
                container.mux(waiting[1])
                waiting = next(sound, None)
    except av.FFmpegError as error:
        raise OSError(error.errno, error.strerror or str(error)) from None


def film_stream(
    container: OutputContainer, codec: str, rate: Fraction, width: int, height: int
) -> Any:
    """A stream for the pictures of a film: half the color resolution, BT.709, as browsers play it.

    Args:
        container: of the film.
        codec: one of those in :data:`CODECS`.
        rate: frames a second.
        width: pixels, even.
        height: the same.
    """
    from av.video.reformatter import ColorRange, Colorspace

    stream: Any = container.add_stream(codec, rate, options=dict(QUALITY[codec]))
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    # Players take small pictures without a mark for BT.601, which shifts their colors.
    stream.codec_context.colorspace = Colorspace.ITU709
    stream.codec_context.color_range = ColorRange.MPEG
    return stream


def film_frame(picture: Image) -> VideoFrame:
    """A picture in RGB, of even sides, as a frame for :func:`film_stream`."""
    import av
    from av.video.reformatter import ColorRange, Colorspace

    return av.VideoFrame.from_ndarray(numpy.asarray(picture), "rgb24").reformat(
        format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
    )


def even_side(pixels: int) -> int:
    """The side, or one less where it is odd; 2 at least."""
    return max(2, pixels - pixels % 2)


class FrameWriter:
    """Encodes picture files into a film."""

    def __init__(self, container: OutputContainer, codec: str, info: FilmInfo) -> None:
        self.container, self.codec, self.info = container, codec, info
        self.stream: Any = None

    def add(self, time: Fraction, file: Path) -> None:
        """Add a picture that is shown from a time on, in seconds."""
        picture = open_picture(file).picture
        if self.stream is None:
            rate = self.info.rate.limit_denominator(1001)
            self.stream = film_stream(self.container, self.codec, rate, *picture.size)
            self.stream.codec_context.time_base = self.info.time_base
        frame = film_frame(picture)
        frame.time_base = self.info.time_base
        frame.pts = round(time / self.info.time_base)
        self.container.mux(self.stream.encode(frame))

    def end(self) -> None:
        """Write what the encoder still holds."""
        self.container.mux(self.stream.encode())


@contextmanager
def sound_of(
    info: FilmInfo, container: OutputContainer, begin: Fraction, end: Fraction | None
) -> Iterator[Iterator[tuple[Fraction, Any]]]:
    """The packets of a film's sound for another film, each with its new time in seconds; not decoded."""
    if info.sound is None:
        yield iter(())
        return
    with opened(info.path) as source:
        stream: Any = source.streams.best("audio")
        pictures = pictures_in(source, info.path)
        # Pictures need not begin at zero; their first frame does here.
        first = Fraction(pictures.start_time or 0) * (pictures.time_base or 1)
        copy: Any = container.add_stream_from_template(stream)

        def packets() -> Iterator[tuple[Fraction, Any]]:
            for packet in source.demux(stream):
                if packet.pts is None or packet.time_base is None:
                    continue
                time = packet.pts * packet.time_base - first
                if time < begin or (end is not None and time >= end):
                    continue
                shift = round((first + begin) / packet.time_base)
                packet.pts -= shift
                if packet.dts is not None:
                    packet.dts -= shift
                packet.stream = copy
                yield time - begin, packet

        made = packets()
        with suppress(GeneratorExit):
            yield made
