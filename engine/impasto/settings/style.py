"""STYLE, a style picture and how it is used: ``FILE`` or ``FILE:key=value,key=value``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from os import PathLike, fspath
from typing import Annotated

from pydantic import Field

from impasto.errors import SettingsError
from impasto.settings.options import check_options
from impasto.settings.spec import Spec, read_options

STYLE_FILE = ".style"
"""Suffix of a file that holds a learned style."""

_OPTIONS = re.compile(r":(?=[A-Za-z_]\w*\s*=)")


@dataclass(frozen=True)
class Style:
    """A style picture with its options; it can stand for its file's path."""

    file: str
    """Picture that the style is taken from, or a file made by ``impasto style learn``."""
    weight: Annotated[float, Field(ge=0)] = 1.0
    """Its weight relative to the other styles; 0 or more."""
    scale: Annotated[float, Field(gt=0)] = 1.0
    """Size of the style picture relative to the result: 0.5 makes strokes half as large."""
    size: Annotated[int, Field(ge=16)] | None = None
    """Its longer side in pixels in every stage; none lets it grow with the result."""
    content_mask: str | None = None
    """Mask of the content picture, white where this style is painted; none leaves it the rest."""
    style_mask: str | None = None
    """Mask of the style picture, white on the part of it that counts."""

    @classmethod
    def parse(cls, value: object) -> Style:
        """Read a STYLE from text, from a table with the key ``file``, or from a path.

        The first colon before ``key=`` ends the file's name. Values with commas need quotes.

        Raises:
            SettingsError: an unknown option, or a value that does not fit.
        """
        if isinstance(value, Style):
            return value
        if isinstance(value, PathLike):
            return cls(fspath(value))
        if isinstance(value, Mapping):
            options = dict(value)
            file = options.pop("file", None)
            if not isinstance(file, str):
                raise SettingsError("a style's table needs the key 'file'")
        elif isinstance(value, str):
            file, *rest = _OPTIONS.split(value, maxsplit=1)
            options = dict(read_options(rest[0], value)) if rest else {}
        else:
            raise SettingsError(f"{value!r} is not a STYLE (FILE or FILE:key=value,key=value)")
        if not file:
            raise SettingsError(f"{value!r} names no style picture")
        style = cls(file, **check_options(f"style '{file}'", cls, 1, options))
        if style.size is not None and style.scale != 1:
            raise SettingsError(f"style '{file}': give scale or size, not both")
        return style

    @property
    def is_style_file(self) -> bool:
        """Whether it is a style file, by its suffix."""
        return self.file.lower().endswith(STYLE_FILE)

    @property
    def options(self) -> dict[str, object]:
        """The options that are not as they are by default."""
        given = {field.name: getattr(self, field.name) for field in fields(self)[1:]}
        defaults = {field.name: field.default for field in fields(self)}
        return {name: value for name, value in given.items() if value != defaults[name]}

    def as_table(self) -> str | dict[str, object]:
        """What TOML and JSON can hold; reading it gives the same style."""
        plain = not self.options and not _OPTIONS.search(self.file)
        return self.file if plain else {"file": self.file, **self.options}

    def __fspath__(self) -> str:
        return self.file

    def __str__(self) -> str:
        """The STYLE as it could be typed again."""
        return str(Spec(self.file, self.options))


def normalized_weights(styles: Sequence[Style]) -> list[float]:
    """Weights with a sum of one.

    Raises:
        SettingsError: all weights are 0.
    """
    return normalized([style.weight for style in styles])


def normalized(weights: Sequence[float]) -> list[float]:
    """The same for weights without their styles; see :func:`normalized_weights`."""
    total = sum(weights)
    if total <= 0:
        raise SettingsError("the weights of all styles are 0; at least one must be more than 0")
    return [weight / total for weight in weights]
