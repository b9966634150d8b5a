"""JSON that every reader takes: no NaN and no infinity, which Python writes and JSON does not have."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any


def to_json(value: object, indent: int | None = None) -> str:
    """A value as JSON, in ASCII alone, so that it can also be printed as it is.

    Args:
        value: numbers, text, None, and lists and tables of these. What JSON has no form for is written
            in the nearest that it has: a number that is not finite as null, all else as text.
        indent: spaces for each level; None puts all in one line.

    >>> to_json({"loss": float("nan"), "layers": ("conv1_1",)})
    '{"loss": null, "layers": ["conv1_1"]}'
    """
    return json.dumps(plain(value), indent=indent, allow_nan=False)


def plain(value: object) -> Any:
    """A value as JSON can hold it; see :func:`to_json`."""
    if isinstance(value, Mapping):
        return {
            key if isinstance(key, str) else str(key): plain(item) for key, item in value.items()
        }
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


def from_json(text: str | bytes) -> Any:
    """What JSON from a document says.

    Raises:
        ValueError: it is not JSON, or has a number that is not finite, nests too deeply, or has a whole
            number of thousands of digits.
    """
    try:
        return json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except RecursionError:
        raise ValueError("it nests too deeply") from None


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is not a number of JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"{digits[:20]} is too large")
    return number
