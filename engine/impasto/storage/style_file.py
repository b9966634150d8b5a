"""Style files: the statistics of a painting's style, in a file that stands for the painting.

One file of the format safetensors, which holds tensors and text and runs no code: the summaries of each
size and term, and as JSON in its metadata what they were made with. A run that does not fit is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NotRequired

from pydantic import ConfigDict, TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor
from typing_extensions import TypedDict

from impasto.errors import PictureError
from impasto.settings.document import GIGABYTE, read_document
from impasto.settings.options import complaint
from impasto.settings.plain_json import from_json
from impasto.storage.safetensors_file import parse_safetensors, sum_of

FORMAT = "impasto style 2"
LARGEST = 8 * GIGABYTE
"""Bytes of a style file."""
NOT_OURS = (
    *(SafetensorError, OSError),
    *(AttributeError, KeyError, TypeError, ValueError, RecursionError),
)
"""Errors that reading another kind of file raises."""


class Plugin(TypedDict):
    """A plugin with all its options."""

    name: str
    options: dict[str, Any]


class Term(Plugin):
    """A loss that the statistics are for."""

    term: str
    random: bool
    """Whether its summaries may depend on the seed."""


class Record(TypedDict):
    """What a style file says about itself."""

    format: str
    impasto: str
    extractor: Plugin
    weights: str
    losses: list[Term]
    sizes: list[int]
    style: dict[str, Any]
    style_fit: NotRequired[str]
    """How the painting was sized; ``keep`` where it is not said."""
    strokes: NotRequired[float]
    """Factor of the style's scale in the largest size; 1 where it is not said."""
    style_turns: NotRequired[int]
    """Copies of the painting that count, each turned; 1 where it is not said."""
    seed: int
    precision: str


for _kind in (Plugin, Term, Record):
    setattr(_kind, "__pydantic_config__", ConfigDict(strict=True, allow_inf_nan=False))  # noqa: B010


@dataclass(frozen=True)
class StyleFile:
    """What a style file holds."""

    path: str
    record: Record
    tensors: Mapping[str, Tensor]
    """On the CPU."""
    checksum: str
    """SHA-256 of the file."""


def read_style_file(path: str) -> StyleFile:
    """Read a style file.

    Raises:
        PictureError: no such file, or it is not a style file, or cut short, damaged, or of another version.
    """
    data = read_document(path, f"style file '{path}'", LARGEST, PictureError)
    try:
        header, tensors = parse_safetensors(data)
        text, checksum = header["impasto"], header.get("sha256")
        plain = from_json(text)
    except NOT_OURS as error:
        raise PictureError(
            f"file '{path}' is not a style file of Impasto: {_line(error)}"
        ) from None
    version = plain.get("format") if isinstance(plain, dict) else None
    if version != FORMAT:
        raise PictureError(f"style file '{path}' is of another version: {_line(version)}")
    if sum_of(text, tensors) != checksum:
        raise PictureError(f"style file '{path}' is damaged: its checksum does not fit")
    try:
        record = TypeAdapter(Record).validate_python(plain)
    except ValidationError as error:
        raise PictureError(f"style file '{path}' is damaged: {complaint(error, 'entry')}") from None
    return StyleFile(path, record, tensors, hashlib.sha256(data).hexdigest())


def _line(value: object) -> str:
    return " ".join(str(value).split())[:200]


def write(path: Path, tensors: dict[str, Tensor], record: Record) -> None:
    """Write a style file.

    Raises:
        OSError: it cannot be written.
    """
    text = json.dumps(record)
    try:
        save_file(tensors, path, {"impasto": text, "sha256": sum_of(text, tensors)})
    except SafetensorError as error:
        raise OSError(str(error)) from None
