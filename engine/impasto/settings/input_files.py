"""Which files a run is made from, as its settings name them."""

from __future__ import annotations

from collections.abc import Iterator
from os import fspath

from impasto.settings.settings import Settings


def picture_files(settings: Settings) -> list[str]:
    """The names of all files that a run reads as pictures, masks, maps or styles."""
    masks = [mask for style in settings.style for mask in (style.content_mask, style.style_mask)]
    return [
        *filter(None, [settings.content]),
        *map(fspath, settings.style),
        *filter(None, masks),
        *settings.regions,
    ]


def files_of(settings: Settings) -> list[str]:
    """The names of all files that a run may read; some are no files but words, such as ``noise``."""
    return [*picture_files(settings), settings.init, *settings.plugin, *option_texts(settings)]


def option_texts(settings: Settings) -> Iterator[str]:
    """The options of plugins that may name a file, such as the weights of a network."""
    for spec in (settings.extractor, settings.optimizer, settings.canvas, *settings.loss):
        yield from (value for value in spec.options.values() if isinstance(value, str) and value)
