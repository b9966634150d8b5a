"""``impasto.run``: a whole run from Python."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike, fspath

from PIL.Image import Image

from impasto.images.reading import Photo, photo_of
from impasto.jobs.run import run_settings
from impasto.optimization.result import Result
from impasto.settings.settings import documents_of, gather
from impasto.settings.style import Style

Picture = str | PathLike[str] | Image
"""A file, or a picture of Pillow. For a style also text as on the command line: ``b.jpg:weight=0.3``."""

IN_MEMORY = "(a picture in memory)"


def run(
    content: Picture,
    style: Picture | Sequence[Picture],
    *,
    preset: str | None = None,
    config: str | PathLike[str] | None = None,
    **given: object,
) -> Result:
    """Paint the content of one picture in the style of others.

    Args:
        content: a file, or a picture of Pillow.
        style: one or several of these, or of :class:`impasto.Style`.
        preset: name of a preset; ``default`` if nothing is said.
        config: a TOML file of settings.
        given: settings by name (see :class:`impasto.Settings`); plugins as SPEC, e.g.
            ``loss=["content", "gram:weight=2"]``. They win over the file, the file over the preset.

    Returns:
        Picture, losses and settings. It is also written to a file if ``output`` is given.

    Raises:
        ImpastoError: something asked for cannot be had. The text is one clear line.
        RunFailed: the run failed after it began; its ``result`` has the picture so far.
        Interrupted: the same for Ctrl-C.
    """
    several = isinstance(style, Sequence) and not isinstance(style, str)
    styles: Sequence[Picture] = style if several else [style]  # type: ignore[assignment, list-item]
    given = {**given, "content": _name(content), "style": [_style(one) for one in styles]}
    if isinstance(output := given.get("output"), PathLike):
        given["output"] = fspath(output)
    config = fspath(config) if config is not None else None
    settings, documents = gather(given, preset, config), documents_of(preset, config)
    in_memory = [_in_memory(one) for one in styles]
    return run_settings(settings, _in_memory(content), in_memory, documents=documents)


def _name(picture: Picture) -> str:
    return IN_MEMORY if isinstance(picture, Image) else fspath(picture)


def _style(picture: Picture) -> str | Style:
    # A path is a file and nothing else; text may have options.
    if isinstance(picture, Image):
        return Style(IN_MEMORY)
    return picture if isinstance(picture, str) else Style.parse(picture)


def _in_memory(picture: Picture) -> Photo | None:
    return photo_of(picture) if isinstance(picture, Image) else None
