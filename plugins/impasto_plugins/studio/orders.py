"""What the browser asks for, checked: a run's settings, without one that names a file or loads code.

Pictures are named by identifiers of uploads. Settings that write files, load code, or let a run do what its
user alone may, belong to the studio; texts that could be the name of a file are refused.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

import impasto
from impasto.plugin import setting_records, unknown
from impasto_plugins.studio.uploads import Uploads

NOT_FROM_THE_BROWSER = (
    "content", "style", "output", "plugin", "load", "callback", "checkpoint", "checkpoint_every", "force",
    "trust", "recipe", "regions", "keys",
)  # fmt: skip
"""Settings that the studio gives, or that nobody gives there."""
ONE_PART = ("extractor", "optimizer", "canvas", "schedule")
"""Settings that are a plugin with its options."""
KNOWN = tuple(one["name"] for one in setting_records())
"""No other keyword of :func:`impasto.run` comes from the browser: ``config`` is a file."""
MASKS = ("content_mask", "style_mask")
STYLE_OPTIONS = ("weight", "scale", "size")
MOST_STYLES = 16
LONGEST = 2000
"""Characters of a text."""
INIT = re.compile(r"(content|style|noise|blend)(:|$)")
FILES = re.compile(r"[/\\~]|\.\.|^[a-zA-Z]:(?![a-z_]+=)|://")


class Order:
    """A run as the browser asks for it."""

    def __init__(self, asked: Mapping[str, Any], uploads: Uploads) -> None:
        """Check what can be checked without the pictures.

        Args:
            asked: ``content``, an upload or none; ``styles``, each with ``id`` and options; ``preset``;
                and ``settings`` by name.
            uploads: the pictures.

        Raises:
            ImpastoError: something that is not allowed, with what is.
        """
        self.asked = {name: asked.get(name) for name in ("content", "styles", "preset", "settings")}
        self.uploads = uploads
        styles = asked.get("styles")
        if not isinstance(styles, list) or not styles:
            raise impasto.SettingsError("choose a painting for the style")
        if len(styles) > MOST_STYLES:
            raise impasto.SettingsError(f"at most {MOST_STYLES} styles")
        self.styles = [self.style_of(one) for one in styles]
        content = asked.get("content")
        self.content = None if content is None else str(uploads.path(content))
        self.preset = preset_of(asked.get("preset")) or (None if content else "texture")
        settings = asked.get("settings", {})
        if not isinstance(settings, dict):
            raise impasto.SettingsError("settings are given by name")
        self.settings: dict[str, Any] = {
            name: self.value_of(name, value) for name, value in settings.items()
        }
        impasto.check(self.content, self.styles, preset=self.preset, **self.settings)

    def style_of(self, asked: object) -> impasto.Style:
        """A style with its options."""
        if not isinstance(asked, dict):
            raise impasto.SettingsError("a style is an upload with its options")
        table: dict[str, Any] = {"file": str(self.uploads.path(asked.get("id")))}
        for name, value in asked.items():
            if name in MASKS and value is not None:
                table[name] = str(self.uploads.path(value))
            elif name in STYLE_OPTIONS and value is not None:
                table[name] = value
            elif name not in ("id", *MASKS, *STYLE_OPTIONS):
                raise impasto.SettingsError(unknown("option of a style", name, STYLE_OPTIONS))
        return impasto.Style.parse(table)

    def value_of(self, name: str, value: object) -> object:
        """A setting's value, if the browser may give it."""
        if name not in KNOWN:
            raise impasto.SettingsError(unknown("setting", name, KNOWN))
        if name in NOT_FROM_THE_BROWSER:
            raise impasto.SettingsError(f"the page cannot give the setting '{name}'")
        for text in texts_in(value):
            if len(text) > LONGEST or FILES.search(text):
                raise impasto.SettingsError(
                    f"setting '{name}': the page names no files or addresses, as {text[:40]!r} may be"
                )
        # A name without a folder would be looked for in the run's own folder; here even that is refused.
        if name == "init" and not INIT.match(str(value)):
            raise impasto.SettingsError(
                "setting 'init': the page starts from content, style, noise or blend:content=0.8,noise=0.2"
            )
        return value

    @property
    def title(self) -> str:
        """What the run is called: its pictures' names."""
        names = [self.uploads.about(one["id"])["name"] for one in self.asked["styles"] or ()]
        styles = " + ".join(stem(name) for name in names)
        content = self.asked["content"]
        if content is None:
            return f"texture of {styles}"
        return f"{stem(self.uploads.about(content)['name'])} as {styles}"

    def keywords(self) -> dict[str, Any]:
        """Arguments of :func:`impasto.run`."""
        return {
            "content": self.content,
            "style": self.styles,
            "preset": self.preset,
            **self.settings,
        }

    def command(self) -> str:
        """The command that does the same, quoted for a shell."""
        words = ["impasto", *(["run", self.content] if self.content else ["texture"])]
        words += map(str, self.styles)
        if self.preset is not None:
            words += ["--preset", self.preset]
        for name, value in self.settings.items():
            option = f"--{name.replace('_', '-')}"
            if isinstance(value, bool):
                words.append(option if value else option.replace("--", "--no-", 1))
            elif isinstance(value, list) and any(isinstance(one, dict | str) for one in value):
                words += [word for one in value for word in (option, text_of(one))]
            elif value is not None:
                words += [option, text_of(value)]
        return shlex.join(words)


def preset_of(asked: object) -> str | None:
    """The name of a preset; a file of one has no name here.

    Raises:
        SettingsError: there is none of that name.
    """
    if asked is None:
        return None
    known = impasto.presets()
    if not isinstance(asked, str) or asked not in known:
        raise impasto.SettingsError(unknown("preset", str(asked), known))
    return asked


def texts_in(value: object) -> Iterator[str]:
    """Every text in a value, names in tables included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from (str(key), *texts_in(item))
    elif isinstance(value, list):
        for item in value:
            yield from texts_in(item)


def text_of(value: object) -> str:
    """A value as the command line takes it."""
    if isinstance(value, dict):
        return str(impasto.Spec.parse(value))
    if isinstance(value, list):
        return ",".join(map(str, value))
    return str(value)


def stem(name: str) -> str:
    """A file's name without its suffix."""
    return name.rpartition(".")[0] or name
