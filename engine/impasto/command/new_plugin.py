"""``impasto plugins new``: a complete package with one plugin, to begin from."""

from __future__ import annotations

import re
from pathlib import Path
from string import Template

from impasto.errors import PluginError, SettingsError, unknown
from impasto.host.host import Host

TEMPLATES = Path(__file__).with_name("templates")

EXAMPLES = {
    "loss": "--loss content --loss $name",
    "extractor": "--extractor $name --loss content:layers=second --loss gram:layers=first,second",
    "optimizer": "--optimizer $name",
    "canvas": "--canvas $name",
    "callback": "--callback $name",
}
"""How a plugin of each kind is asked for on the command line."""

SETTINGS = {
    "loss": 'loss=["$name"]',
    "extractor": 'extractor="$name", loss=["gram:layers=first,second"]',
    "optimizer": 'optimizer="$name", loss=["tv"]',
    "canvas": 'canvas="$name", loss=["tv"]',
    "callback": 'callback=["$name"], loss=["tv"]',
}
"""The same from Python, in the test."""

IMPORTS = {"loss": "from $module import $Class\n"}
"""Imports that the test of a kind needs besides ``impasto.testing``."""

MORE_TESTS = {
    "loss": """


def test_its_gradient_is_that_of_finite_differences() -> None:
    impasto.testing.check_gradient($Class())


def test_its_summaries_of_tiles_add_up() -> None:
    impasto.testing.check_tiles($Class())"""
}
"""Tests of the kind itself."""


def write_package(host: Host, kind: str, name: str, folder: Path) -> list[Path]:
    """Write a package ``impasto-NAME`` with one plugin that works, its entry point, test and README.

    Args:
        host: tells which names are taken.
        kind: one of the kinds of plugin.
        name: lower-case letters, digits, ``-`` and ``_``.
        folder: the package's folder; it must not exist.

    Returns:
        The files.

    Raises:
        SettingsError: an unknown kind, or a name that is not of that form or is taken.
        PluginError: the folder exists or cannot be written.
    """
    if kind not in EXAMPLES:
        raise SettingsError(unknown("kind", kind, EXAMPLES))
    if not re.fullmatch(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*", name):
        raise SettingsError(
            f"name '{name}' is not allowed: begin with a letter, go on with lower-case letters and"
            " digits, and separate words with - or _"
        )
    taken = [item for item in host.offered if (item.kind, item.offer.name) == (kind, name)]
    if taken:
        raise SettingsError(f"the {kind} '{name}' exists already: {taken[0].origin}")
    files = {folder / target: text for target, text in texts(kind, name).items()}
    try:
        folder.mkdir(parents=True)
        for path, text in files.items():
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise PluginError(f"folder '{folder}' cannot be made: {error.strerror or error}") from None
    return list(files)


def texts(kind: str, name: str) -> dict[str, str]:
    """The files of the package by their name."""
    words = re.split("[_-]", name)
    module = f"impasto_{'_'.join(words)}"
    values = {
        "kind": kind,
        "name": name,
        "dashed": "-".join(words),
        "module": module,
        "Name": " ".join(words).capitalize(),
        "Class": "".join(word.capitalize() for word in words),
        "example": Template(EXAMPLES[kind]).substitute(name=name),
        "settings": Template(SETTINGS[kind]).substitute(name=name),
    }
    values["imports"] = Template(IMPORTS.get(kind, "")).substitute(values)
    values["more"] = Template(MORE_TESTS.get(kind, "")).substitute(values)
    sources = {
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
        f"{module}.py": f"{kind}.py",
        f"test_{module}.py": "test_plugin.py",
    }
    return {
        target: Template((TEMPLATES / f"{source}.txt").read_text(encoding="utf-8")).substitute(
            values
        )
        for target, source in sources.items()
    }
