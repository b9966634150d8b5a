"""Recipes: what a picture was made from and how, written into the picture itself.

A recipe is JSON in one property of the picture's XMP packet, which PNG, JPEG, WebP and TIFF all have. It has
no times and no names of outputs, so that the same run gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from html import unescape
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import PIL
import torch

from impasto.errors import RecipeError
from impasto.images.reading import read_xmp
from impasto.optimization.hardware import precision_name
from impasto.optimization.state import Result, Run
from impasto.settings.settings import Settings, validate
from impasto.storage.checkpoint import sum_of

FORMAT = 1
"""Version of the form of recipes."""

OF_THE_PLACE = ("output", "force", "checkpoint", "checkpoint_every", "callback", "recipe")
"""Settings that do not change the picture: a recipe leaves them out."""

NAMESPACE = "urn:impasto:recipe:1"
_OURS = re.compile(
    rb'<rdf:Description[^<>]*xmlns:impasto="urn:impasto:recipe:1"[^<>]*>\s*'
    rb"<impasto:recipe>([^<]*)</impasto:recipe>\s*</rdf:Description>\s*"
)
_EMPTY = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
    b'</rdf:RDF>\n</x:xmpmeta>\n<?xpacket end="w"?>'
)


def recipe_of(run: Run, result: Result) -> dict[str, Any]:
    """The recipe of a result, as a table of what JSON can hold."""
    table = run.settings.as_table()
    return {
        "format": FORMAT,
        "settings": {key: table[key] for key in table if key not in OF_THE_PLACE},
        "callbacks": [str(spec) for spec in run.settings.callback if spec.name != "progress"],
        "inputs": dict(run.inputs),
        "weights": result.weights,
        "network": network_sum(run),
        "versions": versions(),
        "machine": machine_of(run),
        "steps": result.steps,
        "stopped": result.stopped,
        "loss": {"first": _finite(result.losses[:1]), "last": _finite(result.losses[-1:])},
        "terms": {name: _finite([value]) for name, value in result.terms.items()},
    }


def network_sum(run: Run) -> str:
    """SHA-256 of the network's weights, at the precision that they have in the run."""
    weights = run.objective.extractor.state_dict()
    return sum_of("", {name: tensor.detach().cpu() for name, tensor in weights.items()})


def versions() -> dict[str, str]:
    """Versions of what a picture depends on."""
    from impasto import __version__

    return {
        "impasto": __version__,
        "torch": torch.__version__,
        "pillow": PIL.__version__,
        "python": platform.python_version(),
    }


def machine_of(run: Run) -> dict[str, Any]:
    """What else the last digits depend on."""
    return {
        "device": str(run.device),
        "precision": precision_name(run.precision),
        "compiled": run.evaluate is not run.objective,
        "threads": torch.get_num_threads(),
    }


def checksums(settings: Settings) -> dict[str, str]:
    """SHA-256 of every file that a run is made from, by the name that its settings have for it.

    Pictures in memory have none: their checksum is empty.

    Raises:
        RecipeError: a file that is there cannot be read.
    """
    found = {}
    for name in names_of_files(settings):
        if os.path.isfile(name):
            found[name] = sha256(name)
    for name in (settings.content, *(style.file for style in settings.style)):
        found.setdefault(name, "")
    return found


def stamps(settings: Settings) -> dict[str, tuple[int, ...]]:
    """What changes when somebody writes to a file, of each that a run is made from."""
    found: dict[str, tuple[int, ...]] = {}
    for name in names_of_files(settings):
        with suppress(OSError, ValueError):
            told = Path(name).stat()
            found[name] = (told.st_ino, told.st_size, told.st_mtime_ns)
    return found


def refuse_what_changed(before: Mapping[str, tuple[int, ...]], settings: Settings) -> None:
    """Refuse inputs that are not what their checksums were made of.

    Args:
        before: the stamps, taken before the checksums.
        settings: name the files.

    Raises:
        RecipeError: a file was written to since.
    """
    for name, now in stamps(settings).items():
        if before.get(name) != now:
            raise RecipeError(f"the input '{name}' was changed while it was read: run it again")


def names_of_files(settings: Settings) -> Iterator[str]:
    """What may be a file among the settings: pictures, masks, starts, plugins, options as weights."""
    yield from (settings.content, settings.init, *settings.plugin)
    for style in settings.style:
        yield from filter(None, (style.file, style.content_mask, style.style_mask))
    for spec in (settings.extractor, settings.optimizer, settings.canvas, *settings.loss):
        yield from (value for value in spec.options.values() if isinstance(value, str) and value)


def sha256(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file.

    Raises:
        RecipeError: it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError) as error:
        raise RecipeError(f"'{path}' cannot be read: {error}") from None


def with_recipe(xmp: bytes, recipe: Mapping[str, Any]) -> bytes:
    """An XMP packet with a recipe in it, in place of one that it may have.

    Args:
        xmp: of the content picture; the rest of it is left byte for byte. Nothing, or what cannot be
            read as a packet, is replaced by a new one.
        recipe: see :func:`recipe_of`.
    """
    text = escape(json.dumps(recipe, sort_keys=True, allow_nan=False)).encode()
    ours = (
        f'<rdf:Description rdf:about="" xmlns:impasto="{NAMESPACE}"><impasto:recipe>'.encode()
        + text
        + b"</impasto:recipe></rdf:Description>\n"
    )
    packet = without_recipe(xmp)
    packet = packet if b"</rdf:RDF>" in packet else _EMPTY
    before, end, after = packet.rpartition(b"</rdf:RDF>")
    return before + ours + end + after


def without_recipe(xmp: bytes) -> bytes:
    """An XMP packet without the recipe that it may have."""
    return _OURS.sub(b"", xmp)


def read_recipe(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The recipe in a picture.

    Raises:
        PictureError: it is no picture, or cannot be read.
        RecipeError: it has no recipe, or one that cannot be read.
    """
    found = _OURS.search(read_xmp(path))
    if found is None:
        raise RecipeError(f"'{path}' has no recipe of Impasto in it")
    try:
        recipe = json.loads(unescape(found[1].decode()))
    except (ValueError, RecursionError):
        raise RecipeError(f"the recipe in '{path}' is damaged") from None
    kinds = {"settings": dict, "inputs": dict, "versions": dict, "machine": dict, "steps": int}
    if not isinstance(recipe, dict) or recipe.get("format") != FORMAT:
        raise RecipeError(f"the recipe in '{path}' is of another version of Impasto")
    for name, kind in kinds.items():
        if not isinstance(recipe.get(name), kind):
            raise RecipeError(f"the recipe in '{path}' is damaged: {name}")
    return recipe


def relocated(settings: Settings, places: Mapping[str, str]) -> Settings:
    """The settings with files where they are now.

    Args:
        settings: of a recipe.
        places: the file of today by the name in the settings.
    """

    def moved(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: item if key == "name" else moved(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [moved(item) for item in value]
        return places.get(value, value) if isinstance(value, str) else value

    return validate(moved(settings.as_table()))


def _finite(values: list[float]) -> float | None:
    return values[0] if values and math.isfinite(values[0]) else None
