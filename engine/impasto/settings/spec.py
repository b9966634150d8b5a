"""SPEC, the short form of a plugin and its options: ``name`` or ``name:key=value,key=value``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from impasto.errors import SettingsError

_PIECE = re.compile(r"""((?:[^,"']|"[^"]*"|'[^']*')*)(,|$)""")
_KEY = re.compile(r"\s*([A-Za-z_]\w*)\s*=")

OF_OBJECTS = ":"
"""Stands between module and class in the name of an object that was given in Python; no plugin has it."""


@dataclass(frozen=True)
class Spec:
    """A plugin by name, with the options that were given for it."""

    name: str
    """Name that the plugin offers itself under."""
    options: Mapping[str, object] = field(default_factory=dict)
    """Options as they were written; the plugin's signature says how they are read."""

    @property
    def is_object(self) -> bool:
        """Whether it stands for an object that was given in Python, and so cannot be made from its name."""
        return OF_OBJECTS in self.name

    @classmethod
    def parse(cls, value: object) -> Spec:
        """Read a SPEC from text, or from a table with the key ``name`` (the form in TOML).

        A comma starts a new option only before ``key=``, so lists need no brackets:
        ``gram:layers=conv1_1,conv2_1,weight=2``. Quotes keep a comma or an equals sign in a value.

        Raises:
            SettingsError: the text is not of that form.
        """
        if isinstance(value, Spec):
            return value
        if isinstance(value, Mapping):
            options = dict(value)
            name = options.pop("name", None)
            if not isinstance(name, str) or not name:
                raise SettingsError("a plugin's table needs the key 'name'")
            return cls(name, options)
        if not isinstance(value, str):
            raise SettingsError(f"{value!r} is not a SPEC (name or name:key=value,key=value)")
        name, _, rest = value.partition(":")
        if not re.fullmatch(r"[A-Za-z_][\w.-]*", name.strip()):
            raise SettingsError(f"{value!r} is not a SPEC (name or name:key=value,key=value)")
        return cls(name.strip(), read_options(rest, value))

    def __str__(self) -> str:
        """The SPEC as it could be typed again."""
        options = ",".join(f"{key}={_text(value)}" for key, value in self.options.items())
        return f"{self.name}:{options}" if options else self.name


def read_options(text: str, whole: str) -> dict[str, object]:
    """Options from ``key=value,key=value``; a comma starts a new one only before ``key=``.

    Args:
        text: the options.
        whole: what the user typed, for errors.

    Raises:
        SettingsError: the text is not of that form.
    """
    options: dict[str, list[str]] = {}
    key = None
    for piece in _pieces(text, whole):
        match = _KEY.match(piece)
        if match:
            key = match[1]
            if key in options:
                raise SettingsError(f"{whole!r} gives the option '{key}' twice")
            options[key] = [piece[match.end() :].strip()]
        elif key is None:
            raise SettingsError(f"{whole!r}: '{piece}' should read key=value")
        else:
            options[key].append(piece.strip())
    return {key: _unquoted(",".join(parts)) for key, parts in options.items()}


def _pieces(text: str, whole: str) -> list[str]:
    pieces, position = [], 0
    while position < len(text):
        match = _PIECE.match(text, position)
        if match is None:
            raise SettingsError(f"{whole!r} has a quote that is not closed")
        pieces.append(match[1])
        position = match.end()
    return pieces


def _unquoted(value: str) -> str:
    quoted = len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1] if quoted and value[0] not in value[1:-1] else value


def _text(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ",".join(_text(item) for item in value)
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    return f'"{text}"' if re.search(r"[,=\s]", text) and '"' not in text else text
