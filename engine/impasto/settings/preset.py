"""Presets: settings with a name, built in or the user's own, as TOML files."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from impasto.errors import SettingsError, unknown
from impasto.settings.document import KILOBYTE, read_document

PRESETS = Path(__file__).with_name("presets")
"""Folder of the built-in presets."""
LARGEST = 256 * KILOBYTE
"""Most bytes of a TOML file; the built-in presets have a hundredth of that."""
DEEPEST = 500
"""Dots in a line of TOML. Python's reader takes the square of their number in time."""


def user_presets() -> Path:
    """The folder of the user's own presets; it need not be there."""
    return Path(click.get_app_dir("impasto")) / "presets"


def preset_files() -> dict[str, Path]:
    """Every preset by name: the built-in ones, then the user's.

    Raises:
        SettingsError: one of the user's has the name of a built-in one.
    """
    own = {path.stem: path for path in sorted(PRESETS.glob("*.toml"))}
    for path in sorted(user_presets().glob("*.toml")):
        if path.stem in own:
            raise SettingsError(
                f"preset file '{path}' has the name of a built-in preset; rename it"
            )
        own[path.stem] = path
    return own


def presets() -> dict[str, dict[str, Any]]:
    """What each preset sets, by name: the built-in ones, then the user's.

    Returns:
        Tables of settings, with what the presets set that they start from; ``about`` is the line that a
        preset has about itself, ``file`` where one of the user's lies. One that cannot be read says
        so in ``about``, and does not hide the others.

    Raises:
        SettingsError: one of the user's has the name of a built-in one.
    """
    return {name: _described(name, path) for name, path in preset_files().items()}


def _described(name: str, path: Path) -> dict[str, Any]:
    try:
        table = {"about": about_preset(name), **read_preset(name)}
    except SettingsError as error:
        return {"about": f"cannot be used: {error}"}
    return table if path.parent == PRESETS else {**table, "file": str(path)}


def find_preset(name: str) -> Path:
    """The file of a preset.

    Args:
        name: a preset's name, or the path of a file that ends in ``.toml``.

    Raises:
        SettingsError: there is none of that name, or no such file.
    """
    if name.lower().endswith(".toml"):
        return Path(name)
    files = preset_files()
    if name not in files:
        raise SettingsError(unknown("preset", name, files) + "; or a file ending in .toml")
    return files[name]


def read_preset(name: str, seen: tuple[Path, ...] = ()) -> dict[str, Any]:
    """What a preset sets, together with what the preset that it starts from sets, if it names one.

    Args:
        name: of a preset, or of a file.
        seen: presets that led here.

    Raises:
        SettingsError: no such preset, a file that cannot be read, or presets that lead in a circle.
    """
    path = find_preset(name)
    place = Path(os.path.abspath(path))
    if place in seen:
        circle = " → ".join(step.stem for step in (*seen, place))
        raise SettingsError(
            f"preset '{name}' leads back to itself: {circle}; take 'preset' out of one"
        )
    table = read_toml(path, f"preset '{name}'")
    table.pop("about", None)
    base = table.pop("preset", None)
    return table if base is None else over(read_preset(base, (*seen, place)), table)


def over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Both tables of settings in one, where those above win.

    ``coarse_steps`` below counts no more where ``steps`` is above: it would hide what was asked for.
    """
    if "steps" in above:
        below = {name: value for name, value in below.items() if name != "coarse_steps"}
    return {**below, **above}


def preset_chain(name: str) -> list[Path]:
    """The file of a preset, and those of the presets that it starts from.

    Raises:
        SettingsError: as for :func:`read_preset`.
    """
    chain: list[Path] = []
    named: object = name
    while isinstance(named, str) and (path := find_preset(named)) not in chain:
        chain.append(path)
        named = read_toml(path, f"preset '{named}'").get("preset")
    return chain


def about_preset(name: str) -> str:
    """The line about itself that a preset has; empty if it has none."""
    about: str = read_toml(find_preset(name), f"preset '{name}'").get("about", "")
    return about


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """A TOML file as a table, whose ``preset`` and ``about``, if they are there, are text.

    Args:
        path: of the file.
        what: what it is called in an error.

    Raises:
        SettingsError: it cannot be read, or is not valid TOML, or these two are something else.
    """
    data = read_document(path, what, LARGEST, SettingsError)
    try:
        text = data.decode()
        if max(line.count(".") for line in text.splitlines() or [""]) > DEEPEST:
            raise SettingsError(
                f"{what} has more than {DEEPEST} dots in a line; settings need none of that"
            )
        table = tomllib.loads(text)
    # Also whole numbers of thousands of digits, and tables that nest without end.
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{what} is not valid TOML: {error}") from None
    for name in ("preset", "about"):
        if not isinstance(table.get(name, ""), str):
            raise SettingsError(f"{what}: setting '{name}' must be text, not {table[name]!r}")
    return table
