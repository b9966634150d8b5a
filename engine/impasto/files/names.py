"""Names of files that Impasto makes up itself: short enough for every folder, and told apart."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Collection, Sequence
from os import PathLike
from pathlib import Path

LONGEST = 255
"""Bytes of a file's name that common file systems allow."""


def fitting_name(stem: str, suffix: str = "", longest: int = LONGEST) -> str:
    """A file's name, shortened where it would be too long.

    A name that is shortened ends with a checksum of the long one, so that two long names which begin
    alike stay two.

    >>> fitting_name("town_as_night", ".png")
    'town_as_night.png'
    >>> fitting_name("x" * 300, ".png", longest=20)
    'xxxxxxx-0d4e2ca9.png'

    Args:
        stem: the name without its suffix.
        suffix: with its dot.
        longest: bytes of the whole name.
    """
    stem = encodable(stem)
    if len(os.fsencode(stem + suffix)) <= longest:
        return stem + suffix
    end = f"-{hashlib.sha256(os.fsencode(stem)).hexdigest()[:8]}{suffix}"
    return cut(stem, longest - len(os.fsencode(end))) + end


def encodable(name: str) -> str:
    r"""A name with a question mark for what no file's name can have, such as half a character.

    >>> encodable("town"), encodable("to\ud800wn")
    ('town', 'to?wn')
    """
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        return name.encode(errors="replace").decode()
    return name


def longer(path: str, more: str) -> str:
    """A path with more at the end of its name, shortened before that where it would be too long.

    >>> longer("here/town", "_again.png")
    'here/town_again.png'
    """
    folder, name = os.path.split(path)
    return os.path.join(folder, fitting_name(name, longest=LONGEST - len(os.fsencode(more))) + more)


def cut(text: str, longest: int) -> str:
    """The beginning of a text that has so many bytes at most; no character is split."""
    while len(os.fsencode(text)) > longest:
        text = text[:-1]
    return text


def free_name(name: str, taken: Collection[str]) -> str:
    """The name; where it is taken, the first of ``name-2``, ``name-3`` … that is free.

    >>> free_name("a.png", ["a.png", "a-2.png"])
    'a-3.png'
    """
    stem, suffix = os.path.splitext(name)
    numbered = (fitting_name(f"{stem}-{number}", suffix) for number in itertools.count(2))
    return next(free for free in itertools.chain([name], numbered) if free not in taken)


def default_output(content: str | None, styles: Sequence[str | PathLike[str]]) -> str:
    """A name in the current folder made from the names of both pictures, shortened where it is too long.

    >>> default_output("photos/town.jpg", ("night.jpg",))
    'town_as_night.png'
    >>> default_output(None, ("bricks.jpg",))
    'bricks_texture.png'
    """
    painted = "_".join(Path(style).stem for style in styles)
    if content is None:
        return f"{fitting_name(painted, longest=220)}_texture.png"
    # Each is shortened by itself, so that both stay recognizable; the rest is room for suffixes.
    return f"{fitting_name(Path(content).stem, longest=110)}_as_{fitting_name(painted, longest=110)}.png"
