"""Writing TOML: what a table of settings holds, and no more."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from impasto.errors import SettingsError


def to_toml(table: Mapping[str, object]) -> str:
    """A table as TOML, one line for each key.

    Args:
        table: of text, numbers, booleans, lists and tables.

    Raises:
        SettingsError: a value that TOML cannot hold.
    """
    return "".join(f"{_key(key)} = {_value(value, key)}\n" for key, value in table.items())


def _value(value: object, key: str) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, Mapping):
        pairs = (f"{_key(str(name))} = {_value(item, key)}" for name, item in value.items())
        return f"{{ {', '.join(pairs)} }}"
    if isinstance(value, Sequence):
        return f"[{', '.join(_value(item, key) for item in value)}]"
    raise SettingsError(f"'{key}' cannot be written in TOML: it is of type {type(value).__name__}")


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _text(key)


def _text(text: str) -> str:
    if any("\ud800" <= one <= "\udfff" for one in text):
        raise SettingsError(f"{text!r} cannot be written in TOML: it is not valid Unicode")
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
