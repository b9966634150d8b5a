"""Options of a plugin, read from its factory's signature: names, types, defaults, and what is allowed.

Checking is pydantic's; this module turns a signature into a pydantic model and pydantic's findings
into one line for the user.
"""

from __future__ import annotations

import functools
import inspect
import re
import types
import typing
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, create_model
from pydantic.fields import FieldInfo

from impasto.errors import PluginError, SettingsError, defined_at, unknown, with_place

GENERATOR = "generator"
"""Parameter of a factory that is no option: the engine gives the run's source of random numbers."""

_WRONG_TYPE = r"_type$|_parsing$|_parsing_size$|int_from_float|too_short|literal_error"
"""Findings of pydantic that say no more than that a value is of another type."""

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False, arbitrary_types_allowed=True)


@dataclass(frozen=True)
class Option:
    """One option of a plugin, as the command line shows it."""

    name: str
    type: str
    """What may be given, in words: ``number > 0``, ``max | average``, ``list of text``."""
    default: object
    """Value if nothing is given; ``...`` where something must be."""
    help: str
    """One line, from ``Field(description=...)``; may be empty."""


def options_of(factory: Callable[..., object], given_by_host: int = 0) -> tuple[Option, ...]:
    """The options of a factory: its parameters after the first ``given_by_host``.

    Raises:
        PluginError: the signature cannot be read as options.
    """
    # Each host that is built asks for those of all plugins.
    read = _options if isinstance(factory, Hashable) else _options.__wrapped__
    return read(factory, given_by_host)


@functools.lru_cache(maxsize=256)
def _options(factory: Callable[..., object], given_by_host: int) -> tuple[Option, ...]:
    options = []
    for name, (annotation, default) in _fields(factory, given_by_host).items():
        help_text = next(
            (note.description for note in _notes(annotation) if getattr(note, "description", None)),
            "",
        )
        options.append(Option(name, describe(annotation), default, help_text))
    return tuple(options)


def check_options(
    what: str,
    factory: Callable[..., object],
    given_by_host: int,
    values: Mapping[str, object],
    more: Callable[..., object] | None = None,
) -> dict[str, Any]:
    """Options checked against the factory's signature and converted to its types.

    Args:
        what: what the plugin is called in an error, e.g. ``loss 'gram'``.
        factory: its signature is the schema.
        given_by_host: how many of its first parameters are not options.
        values: what the user gave: text, or values of TOML or Python.
        more: its parameters are options, too, unless the factory has them itself.

    Returns:
        Keyword arguments for the factory, and for ``more``; options that were not given are left to
        their defaults.

    Raises:
        SettingsError: an unknown option, or a value that does not fit, with what is allowed.
    """
    # A batch of many jobs asks for the same ones again and again.
    made = _schema if isinstance(factory, Hashable) else _schema.__wrapped__
    annotations, model = made(factory, given_by_host, more)
    for name in values:
        if name not in annotations:
            raise SettingsError(f"{what}: {unknown('option', name, annotations)}")
    given = {name: annotation for name, annotation in annotations.items() if name in values}
    refuse_flags(values, given, f"{what}: option")
    try:
        checked = model.model_validate(dict(values))
    except ValidationError as error:
        raise SettingsError(f"{what}: {complaint(error, 'option', annotations)}") from None
    return {name: getattr(checked, name) for name in checked.model_fields_set}


@functools.lru_cache(maxsize=256)
def _schema(
    factory: Callable[..., object], given_by_host: int, more: Callable[..., object] | None
) -> tuple[Mapping[str, Any], type[BaseModel]]:
    """The types of a factory's options by name, and the model that checks values of them."""
    fields = _fields(factory, given_by_host)
    if more is not None:
        fields = {
            **fields,
            **{key: one for key, one in _fields(more, 0).items() if key not in fields},
        }
    definitions: dict[str, Any] = {
        name: (_readable(annotation), default) for name, (annotation, default) in fields.items()
    }
    model = create_model("Options", __config__=_STRICT, **definitions)
    return {name: annotation for name, (annotation, _) in fields.items()}, model


def refuse_flags(values: Mapping[str, object], annotations: Mapping[str, Any], noun: str) -> None:
    """Refuse true, false and bytes where a number or text belongs: pydantic would take 1, 0 and the text.

    Args:
        values: by name.
        annotations: types of these values.
        noun: what a value is called.

    Raises:
        SettingsError: with what is allowed.
    """
    for name, annotation in annotations.items():
        value, types_inside = values[name], set(_leaves(annotation))
        items = value if isinstance(value, (list, tuple)) else [value]
        plain = bool not in types_inside and types_inside & {int, float, str, Path}
        if plain and any(isinstance(item, (bool, bytes)) for item in items):
            allowed = describe(annotation)
            raise SettingsError(
                f"{noun} '{name}': must be {allowed}, not {value!r}", settings=(name,)
            )


def takes_generator(factory: Callable[..., object]) -> bool:
    """Whether the factory of a plugin wants the run's source of random numbers."""
    return GENERATOR in inspect.signature(factory).parameters


def complaint(
    error: ValidationError, noun: str, annotations: Mapping[str, Any] = MappingProxyType({})
) -> str:
    """One finding of pydantic in one line, with the value, what is allowed and the nearest.

    It is the first wrong value; if there is none, the first that is missing.

    Args:
        error: what pydantic found.
        noun: what a value is called: ``setting``, ``option`` …
        annotations: types of the values by name, to say what is allowed.
    """
    first = min(error.errors(), key=lambda found: found["type"] == "missing")
    name = str(first["loc"][0]) if first["loc"] else ""
    if first["type"] == "missing" and len(first["loc"]) == 1:
        return f"the {noun} '{name}' must be given"
    message = first["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    message = message.replace("Input should be", "must be")
    # A word or a list: the words alone are not all that is allowed.
    mixed = name in annotations and " | list of " in describe(annotations[name])
    if first["type"] == "literal_error" and not mixed and isinstance(first["input"], str):
        allowed = first["ctx"]["expected"].replace(" or ", ", ").replace("'", "").split(", ")
        return unknown(f"value for {noun} '{name}':", first["input"], allowed)
    if name in annotations and re.search(_WRONG_TYPE, first["type"]):
        message = f"must be {in_words(annotations[name])}"
    return f"{noun} '{name}': {message}, not {first['input']!r}"


def in_words(annotation: Any) -> str:
    """A type as it stands in a sentence.

    >>> in_words(tuple[int, ...] | Literal["original"])
    "a list of whole numbers or 'original'"
    """
    return " or ".join(_in_a_sentence(part) for part in describe(annotation).split(" | "))


def _in_a_sentence(part: str) -> str:
    if part in ("text", "none", "true", "false"):
        return part
    part = re.sub(r"([>≥] \S+) ([<≤])", r"\1 and \2", part)
    if part.startswith(("number", "whole number", "list of")):
        return "a " + re.sub(r"^(list of .*?number)\b", r"\1s", part)
    return part if part.isdecimal() else repr(part)


def describe(annotation: Any) -> str:
    """A type in words for a user, with its limits.

    >>> from pydantic import Field
    >>> describe(Literal["max", "average"])
    'max | average'
    >>> describe(Annotated[float, Field(gt=0)])
    'number > 0'
    >>> describe(Annotated[float | None, Field(gt=0)])
    'number > 0 | none'
    >>> describe(int | Annotated[str, Field(title="WxH")])
    'whole number | WxH'
    """
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if titles := [title for note in _notes(annotation) if (title := getattr(note, "title", None))]:
        return str(titles[0])
    if origin is Annotated:
        bare, none, _ = describe(arguments[0]).partition(" | none")
        return " ".join([bare, *_limits(annotation)]) + none
    if origin is Literal:
        return " | ".join(str(value) for value in arguments)
    if origin in (typing.Union, types.UnionType):
        return " | ".join(describe(part) for part in arguments)
    if origin in (tuple, list):
        inner = [describe(part) for part in arguments if part is not Ellipsis]
        return f"list of {inner[0]}" if len(set(inner)) == 1 else f"({', '.join(inner)})"
    words = {int: "whole number", float: "number", bool: "true | false", str: "text"}
    named: str = getattr(annotation, "__name__", str(annotation))
    return "none" if annotation in (None, type(None)) else words.get(annotation, named)


def _fields(factory: Callable[..., object], given_by_host: int) -> dict[str, tuple[Any, Any]]:
    try:
        parameters = list(inspect.signature(factory, eval_str=True).parameters.values())
    except (NameError, TypeError, ValueError, SyntaxError) as error:
        raise PluginError(f"the signature of {_named(factory)} cannot be read: {error}") from error
    fields = {}
    for parameter in parameters[given_by_host:]:
        if parameter.name == GENERATOR:
            continue
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise PluginError(
                f"{_named(factory)} takes *{parameter.name}; options need names and types"
            )
        bare = parameter.annotation is parameter.empty
        annotation = Any if bare else parameter.annotation
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[parameter.name] = (annotation, default)
    return fields


def _named(factory: Callable[..., object]) -> str:
    return with_place(getattr(factory, "__name__", repr(factory)), defined_at(factory))


def _readable(annotation: Any) -> Any:
    """The type, reading also what a SPEC can write: ``none``, and lists with commas."""
    return Annotated[annotation, BeforeValidator(lambda value: _from_text(annotation, value))]


def _from_text(annotation: Any, value: object) -> object:
    if not isinstance(value, str):
        return value
    parts = _flat(annotation)
    if type(None) in parts and value.lower() == "none":
        return None
    takes_list = any(typing.get_origin(part) in (tuple, list) for part in parts)
    if takes_list and str not in parts:
        return [item.strip() for item in value.split(",")]
    return value


def _flat(annotation: Any) -> list[Any]:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return _flat(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return [flat for part in arguments for flat in _flat(part)]
    return [annotation]


def _leaves(annotation: Any) -> list[Any]:
    """The types that a type consists of, those inside lists included."""
    return [
        leaf
        for part in _flat(annotation)
        for leaf in (
            [one for inner in typing.get_args(part) if inner is not ... for one in _leaves(inner)]
            if typing.get_origin(part) in (tuple, list)
            else [part]
        )
    ]


def _notes(annotation: Any) -> tuple[Any, ...]:
    return typing.get_args(annotation)[1:] if typing.get_origin(annotation) is Annotated else ()


def _limits(annotation: Any) -> list[str]:
    notes = [
        limit
        for note in _notes(annotation)
        for limit in (note.metadata if isinstance(note, FieldInfo) else [note])
    ]
    signs = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
    return [
        f"{sign} {getattr(note, key):g}"
        for note in notes
        for key, sign in signs.items()
        if getattr(note, key, None) is not None
    ]
