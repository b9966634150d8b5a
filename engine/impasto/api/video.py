"""``impasto.video``: a film in the style of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike, fspath
from typing import Unpack

from impasto.api.run import asked_for
from impasto.errors import SettingsError
from impasto.host.objects import take_objects
from impasto.jobs.frames import Range
from impasto.jobs.keywords import RunKeywords
from impasto.jobs.rows import refuse_random
from impasto.jobs.video import Video, VideoOptions, paint_video
from impasto.settings.style import Style


def video(
    film: str | PathLike[str],
    style: str | PathLike[str] | Style | Sequence[str | PathLike[str] | Style],
    *,
    start: float = 0.0,
    end: float | None = None,
    every: int = 1,
    preview: int = 0,
    temporal_weight: float = 1000.0,
    long_term: Sequence[int] = (),
    frame_steps: int | None = None,
    cut: float = 0.3,
    flow: str = "dis",
    fps: float = 25.0,
    sound: bool = True,
    folder: str | PathLike[str] | None = None,
    preset: str | None = None,
    config: str | PathLike[str] | None = None,
    **given: Unpack[RunKeywords],
) -> Video:
    """Paint a film, each frame from the one before (Ruder, Dosovitskiy and Brox 2016).

    Called again, it paints only what is missing or changed.

    Args:
        film: a film; or a folder, a pattern or a numbered name (``frames/%04d.png``) of pictures.
        style: one or several.
        start: seconds since the film began, of the first frame that is painted.
        end: seconds before which the film ends; None is its end.
        every: paint the first of so many frames.
        preview: paint only so many frames, spread over the film, each by itself; 0 paints the film.
        temporal_weight: of the loss ``temporal``, which holds a frame to the one before; 0 leaves it out.
        long_term: how many frames back there are others that it is held to, 2 or more each.
        frame_steps: optimizer steps of a frame that starts from the one before; None is half of those
            of the last stage.
        cut: a new scene begins where less than this part of a frame was in the one before, 0 to 1.
        flow: SPEC of the optical flow.
        fps: frames a second of a sequence of pictures.
        sound: keep the film's sound.
        folder: of the painted frames; None is beside the film that is written.
        preset: name of a preset.
        config: a TOML file of settings.
        given: settings by name, as in :func:`impasto.run`; ``output`` must be there: a film (``.mp4``,
            ``.mov``, ``.mkv``, ``.webm``), a folder, or a numbered name of pictures.

    Returns:
        The output, and each frame with its file and time.

    Raises:
        ImpastoError: something that cannot be used, before the first frame; or a frame that failed.
    """
    for one in take_objects(given)[1].objects:
        raise SettingsError(
            f"a film's frames cannot have the {one.kind} {one.name}, an object of Python: make it a plugin",
            settings=("plugin",),
        )
    refuse_random(given)
    asked = asked_for(fspath(film), style, preset, config, given)
    if any(asked.styles):
        raise SettingsError("a film needs style pictures in files, not in memory")
    options = VideoOptions(
        chosen=Range(start, end, every), fps=fps, flow=flow, temporal_weight=temporal_weight,
        long_term=tuple(long_term), frame_steps=frame_steps, cut=cut, sound=sound,
    )  # fmt: skip
    where = None if folder is None else fspath(folder)
    return paint_video(asked.settings, options, where, preview, asked.documents)
