"""What can go wrong for a user, each as one line that says what was wrong and what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LONGEST = 800
"""Characters of an error's line; what users typed, and what files hold, may have many more."""


class ImpastoError(Exception):
    """Base of every error that is meant for the user: its text is one clear line."""

    def __init__(self, message: str = "") -> None:
        """Take the text; what would break the line, or steer a terminal, is escaped."""
        super().__init__(one_line(message))


class SettingsError(ImpastoError):
    """A setting, an option or a name that is not allowed."""


class PictureError(ImpastoError):
    """A picture that cannot be read, used or written."""


class CheckpointError(ImpastoError):
    """A checkpoint that cannot be written, read or gone on from."""


class RecipeError(ImpastoError):
    """A picture's recipe that is not there, cannot be read, or cannot be repeated here."""


class PluginError(ImpastoError):
    """A plugin that cannot be loaded, or that failed; the text names it and where it came from."""


def one_line(text: str) -> str:
    r"""A text with control characters escaped, and without its middle if it is very long.

    >>> one_line("two\nlines")
    'two\\nlines'
    """
    if len(text) > LONGEST:
        text = f"{text[: LONGEST // 2]} … {text[-LONGEST // 2 :]}"
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def unknown(what: str, word: str, allowed: Iterable[str]) -> str:
    """The line for a name that is not known: what is allowed, and the nearest match.

    >>> unknown("loss", "gramm", ["content", "gram"])
    "unknown loss 'gramm'; did you mean 'gram'? Allowed: content, gram"
    """
    names = sorted(allowed)
    near = difflib.get_close_matches(word, names, n=1)
    hint = f"; did you mean '{near[0]}'?" if near else "."
    return f"unknown {what} '{word}'{hint} Allowed: {', '.join(names) or 'none'}"
