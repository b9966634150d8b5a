"""What tests of films share: a film that is written here, a run of a moment, and frames read again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy
from numpy.typing import NDArray

from impasto_profiling.clip import drawn_clip

TINY = ("--plugin", "impasto.testing", "--extractor", "tiny", "--scales", "single", "--size", "48",
        "--steps", "3", "--loss", "content", "--loss", "gram")  # fmt: skip
"""Options of a run of a moment."""


def write(
    path: Path,
    times: Sequence[int] = range(6),
    *,
    cut: int = 4,
    sound: str = "",
    rotation: int = 0,
    width: int = 48,
    height: int = 36,
    transfer: int = 0,
    options: Mapping[str, str] | None = None,
) -> Path:
    """A film of the drawn clip.

    Args:
        path: of the film.
        times: of each frame, in 24ths of a second.
        cut: the frame that a scene begins with.
        sound: codec of a tone of a second; none is a film without.
        rotation: degrees by which it is shown turned, counterclockwise.
        width: pixels.
        height: pixels.
        transfer: code point of the transfer characteristics; 0 is none.
        options: of the container.
    """
    with av.open(path, "w", options=dict(options or {})) as container:
        video = container.add_stream("libx264", 24, options={"crf": "4"})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.codec_context.time_base = Fraction(1, 24)
        if transfer:
            video.codec_context.color_trc = transfer
        if rotation:
            video.set_display_rotation(rotation)
        audio: Any = container.add_stream(sound, rate=16000) if sound else None
        for time, drawn in zip(times, drawn_clip(len(times), width, height, cut), strict=True):
            frame = av.VideoFrame.from_ndarray(drawn.image, "rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 24)
            container.mux(video.encode(frame))
        container.mux(video.encode())
        if audio is not None:
            wave = 0.3 * numpy.sin(numpy.arange(16000) * 0.17)
            tone = av.AudioFrame.from_ndarray(wave.astype(numpy.float32)[None], "fltp", "mono")
            tone.rate, tone.pts = 16000, 0
            resampler = av.AudioResampler(audio.format, audio.layout, audio.rate)
            for part in [*resampler.resample(tone), *resampler.resample(None)]:
                container.mux(audio.encode(part))
            container.mux(audio.encode())
    return path


def read(path: Path) -> tuple[list[float], list[NDArray[numpy.uint8]]]:
    """Times in seconds, and frames (H, W, 3), as a player shows them."""
    with av.open(path) as container:
        frames = list(container.decode(video=0))
    return [round(float(one.time or 0), 4) for one in frames], [
        one.to_ndarray(format="rgb24").astype(numpy.uint8) for one in frames
    ]


def seconds_of_sound(path: Path) -> float:
    """How long its sound is; 0 without."""
    with av.open(path) as container:
        if not container.streams.audio:
            return 0.0
        frames = list(container.decode(audio=0))
    return sum(frame.samples / frame.rate for frame in frames)
