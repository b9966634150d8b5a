"""Recipes: what a picture was made from and how, written into the picture itself.

A recipe is JSON in one property of the picture's XMP packet, which PNG, JPEG, WebP and TIFF all have. It has
no times and no names of outputs, so that the same run gives the same bytes.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from html import unescape
from typing import Any
from xml.sax.saxutils import escape

from impasto.errors import RecipeError
from impasto.images.reading import read_xmp

FORMAT = 1
"""Version of the form of recipes."""

NAMESPACE = "urn:impasto:recipe:1"
# Every character is looked at a fixed number of times, whatever the packet has in it.
_OURS = re.compile(
    rb"<rdf:Description[^<>]*>\s*"
    rb"<impasto:recipe>([^<]*)</impasto:recipe>\s*</rdf:Description>\s*"
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
        recipe: see :func:`impasto.jobs.recipes.recipe_of`.
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
