"""Recipes: what a picture was made from and how, written into the picture itself.

A recipe is JSON in one property of the picture's XMP packet, which PNG, JPEG, WebP and TIFF all have. It has
no times and no names of outputs, so that the same run gives the same bytes.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from html import unescape
from typing import Annotated, Any, NotRequired
from xml.sax.saxutils import escape

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from impasto.errors import RecipeError
from impasto.images.reading import read_xmp
from impasto.settings.options import complaint
from impasto.settings.plain_json import from_json

FORMAT = 1
"""Version of the form of recipes."""

NAMESPACE = "urn:impasto:recipe:1"
_OUR_NAMESPACE = f'xmlns:impasto="{NAMESPACE}"'.encode()
# No part of it can match what the next one begins with, so that the search takes linear time.
_DESCRIPTION = re.compile(
    rb"<rdf:Description(?P<attributes>[^<>]*)>\s*"
    rb"<impasto:recipe>(?P<recipe>[^<]*)</impasto:recipe>\s*</rdf:Description>\s*"
)
_EMPTY = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
    b'</rdf:RDF>\n</x:xmpmeta>\n<?xpacket end="w"?>'
)


def with_recipe(xmp: bytes, recipe: Mapping[str, Any]) -> bytes:
    """An XMP packet with a recipe in it, in place of one that it may have.

    Args:
        xmp: of the content picture; the rest of it is left byte for byte. Nothing, or what cannot be
            read as a packet, is replaced by a new one.
        recipe: see :func:`impasto.optimization.recipe.recipe_of`.
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


def with_settings(xmp: bytes, **settings: object) -> bytes:
    """An XMP packet whose recipe, if it has one, has some settings as they are given here."""
    found = next(_recipes(xmp), None)
    if found is None:
        return xmp
    recipe = from_json(unescape(found["recipe"].decode()))
    return with_recipe(xmp, {**recipe, "settings": {**recipe["settings"], **settings}})


def without_recipe(xmp: bytes) -> bytes:
    """An XMP packet without the recipe that it may have."""
    kept, end = [], 0
    for found in _recipes(xmp):
        kept.append(xmp[end : found.start()])
        end = found.end()
    return b"".join([*kept, xmp[end:]])


def _recipes(xmp: bytes) -> Iterator[re.Match[bytes]]:
    """Each description in a packet that holds a recipe and nothing else."""
    return (found for found in _DESCRIPTION.finditer(xmp) if _OUR_NAMESPACE in found["attributes"])


class FirstAndLast(TypedDict):
    """The first and the last loss of a run; none where it was not finite."""

    first: float | None
    last: float | None


class Recipe(TypedDict):
    """The keys of a recipe that are checked; others are left as they are."""

    __pydantic_config__ = ConfigDict(strict=True, allow_inf_nan=False, extra="allow")  # type: ignore[misc]

    format: int
    settings: dict[str, Any]
    inputs: dict[str, str]
    versions: dict[str, str]
    machine: dict[str, str | int | float | bool | None]
    steps: Annotated[int, Field(ge=0)]
    callbacks: NotRequired[list[str]]
    weights: NotRequired[str]
    network: NotRequired[str]
    stopped: NotRequired[str | None]
    stage: NotRequired[Annotated[int, Field(ge=0)]]
    changes: NotRequired[list[Any]]
    loss: NotRequired[FirstAndLast]
    terms: NotRequired[dict[str, float | None]]


def read_recipe(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The recipe in a picture.

    Raises:
        PictureError: it is no picture, or cannot be read.
        RecipeError: it has no recipe, or one that cannot be read.
    """
    found = next(_recipes(read_xmp(path)), None)
    if found is None:
        raise RecipeError(f"'{path}' has no recipe of Impasto in it")
    try:
        recipe = from_json(unescape(found["recipe"].decode()))
    except ValueError as error:
        raise RecipeError(f"the recipe in '{path}' is damaged: {error}") from None
    if not isinstance(recipe, dict) or recipe.get("format") != FORMAT:
        raise RecipeError(f"the recipe in '{path}' is of another version of Impasto")
    try:
        return dict(TypeAdapter(Recipe).validate_python(recipe))
    except ValidationError as error:
        raise RecipeError(
            f"the recipe in '{path}' is damaged: {complaint(error, 'entry')}"
        ) from None
