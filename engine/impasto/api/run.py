"""``impasto.run`` and ``impasto.steps``: a whole run from Python, at once or step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from typing import Any, NamedTuple, Unpack

import numpy
from PIL.Image import Image
from torch import Tensor

from impasto.errors import PictureError
from impasto.host.objects import take_objects
from impasto.images.arrays import photo_of_samples
from impasto.images.reading import Photo, open_picture, photo_of
from impasto.jobs.keywords import RunKeywords
from impasto.jobs.run import run_settings
from impasto.jobs.steps import Steps, steps_of_settings
from impasto.optimization.result import Result
from impasto.settings.settings import Settings, documents_of, gather
from impasto.settings.style import Style

Picture = str | PathLike[str] | Image | numpy.ndarray[Any, Any] | Tensor
"""A file, a picture of Pillow, an array or a tensor. For a style also text as on the command line:
``b.jpg:weight=0.3``."""

IN_MEMORY = "(a picture in memory)"
IN_MEMORY_TYPES = (Image, numpy.ndarray, Tensor)


def run(
    content: Picture | None,
    style: Picture | Sequence[Picture],
    *,
    preset: str | None = None,
    config: str | PathLike[str] | None = None,
    **given: Unpack[RunKeywords],
) -> Result:
    """Paint the content of one picture in the style of others.

    Args:
        content: a file; a picture of Pillow; an array (H, W, 3), (H, W) or (H, W, 4); or a tensor
            (3, H, W) or (1, 3, H, W). Arrays and tensors are sRGB, uint8 or float in [0, 1]. None for a
            texture; see :func:`texture`.
        style: one or several of these, or of :class:`impasto.Style`.
        preset: name of a preset; ``default`` unless given.
        config: a TOML file of settings.
        given: settings by name (see :class:`impasto.Settings`). They win over the file, the file over the
            preset. Plugins are given as SPEC or as objects: ``loss=["content", MyLoss(weight=2)]``, an
            extractor, a class or function that makes the optimizer from its list of parameters or the
            canvas from the image that it starts from, callbacks with hooks or functions of the step.

    Returns:
        Picture, losses and settings. It is also written to a file if ``output`` is given.

    Raises:
        ImpastoError: a setting, picture or plugin that cannot be used. The text is one clear line.
        RunFailed: the run failed after it began; its ``result`` has the picture so far.
        Interrupted: the same for Ctrl-C.
    """
    asked = asked_for(content, style, preset, config, given)
    return run_settings(*asked)


def texture(
    style: Picture | Sequence[Picture],
    *,
    preset: str | None = None,
    config: str | PathLike[str] | None = None,
    **given: Unpack[RunKeywords],
) -> Result:
    """Paint a texture that looks like a picture, or like several at once, with no content.

    Gatys, Ecker and Bethge, "Texture Synthesis Using Convolutional Neural Networks", NIPS 2015.

    Args:
        style: one or several, as in :func:`run`.
        preset: name of a preset; ``texture`` unless given.
        config: a TOML file of settings.
        given: settings by name, as in :func:`run`; ``size`` may be (width, height). Another ``seed`` gives
            another texture of the same kind.

    Returns:
        As :func:`run`.

    Raises:
        ImpastoError: a setting, picture or plugin that cannot be used, such as a loss that compares with a
            content.
        RunFailed, Interrupted: see :func:`run`.
    """
    return run_settings(*asked_for(None, style, preset, config, given, "texture"))


def steps(
    content: Picture | None,
    style: Picture | Sequence[Picture],
    *,
    preset: str | None = None,
    config: str | PathLike[str] | None = None,
    **given: Unpack[RunKeywords],
) -> Steps:
    """The same run step by step: ``for step in impasto.steps(content, style): ...``.

    All is checked and read before the first step. The loop can be left, and gone on with by another
    one over the same object, which has the picture so far.

    Args:
        content: see :func:`run`; so are all others.
        style: one or several pictures.
        preset: name of a preset.
        config: a TOML file of settings.
        given: settings by name; ``checkpoint`` is refused.

    Returns:
        An iterator of :class:`impasto.Step`, with ``picture``, ``result()``, ``run`` and ``close()``.

    Raises:
        ImpastoError: something asked for cannot be had.
    """
    asked = asked_for(content, style, preset, config, given)
    return steps_of_settings(*asked)


class Asked(NamedTuple):
    """What a call asks for, in the order in which :func:`impasto.jobs.run.run_settings` takes it."""

    settings: Settings
    content: Photo | None
    styles: list[Photo | None]
    observers: list[object]
    documents: list[str]


def asked_for(
    content: Picture | None,
    style: Picture | Sequence[Picture],
    preset: str | None,
    config: str | PathLike[str] | None,
    given: Mapping[str, object],
    otherwise: str = "default",
) -> Asked:
    """Settings, pictures and objects from the arguments of a call; see :func:`run`.

    Args:
        content: a picture, or None for a texture.
        style: one or several pictures.
        preset: name of a preset.
        config: a TOML file of settings.
        given: settings by name.
        otherwise: name of the preset where none is named.
    """
    styles = listed(style)
    given, objects = take_objects(given)
    named = None if content is None else _name(content)
    given = {**given, "content": named, "style": [_style(one) for one in styles]}
    for name in ("output", "checkpoint"):
        if isinstance(path := given.get(name), PathLike):
            given[name] = fspath(path)
    config = fspath(config) if config is not None else None
    settings = gather(given, preset, config, otherwise)
    documents = documents_of(preset, config)
    in_memory = [_in_memory(one, "style") for one in styles]
    return Asked(settings, _in_memory(content, "content"), in_memory, [objects], documents)


def listed(style: Picture | Sequence[Picture]) -> Sequence[Picture]:
    """One or several style pictures as a list."""
    several = isinstance(style, Sequence) and not isinstance(style, str)
    return style if several else [style]  # type: ignore[return-value, list-item]


def opened(picture: Picture, name: str) -> Photo:
    """A picture as it is read; one in memory is treated like one from a file.

    Args:
        picture: a file, or a picture in memory.
        name: what it is called in an error.

    Raises:
        PictureError: it cannot be read, or used.
    """
    return _in_memory(picture, name) or open_picture(_name(picture))


def _name(picture: Picture) -> str:
    if isinstance(picture, IN_MEMORY_TYPES):
        return IN_MEMORY
    if isinstance(picture, (str, PathLike)):
        return fspath(picture)
    raise PictureError(
        f"the content is {type(picture).__name__}; wanted is a file, a picture of Pillow, an array of NumPy"
        " or a tensor"
    )


def _style(picture: Picture) -> str | Style:
    # A path is a file and nothing else; text may have options.
    if isinstance(picture, IN_MEMORY_TYPES):
        return Style(IN_MEMORY)
    return picture if isinstance(picture, str) else Style.parse(picture)


def _in_memory(picture: Picture | None, name: str) -> Photo | None:
    if isinstance(picture, Image):
        return photo_of(picture)
    if isinstance(picture, (numpy.ndarray, Tensor)):
        return photo_of_samples(picture, name)
    return None
