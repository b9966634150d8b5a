"""What can go wrong for a user, each as one line that says what was wrong and what is allowed.

The engine is called from Python, from TOML and from the command line, so its messages name settings as
they are called everywhere (``size``, ``max_megapixels``) and never an option of the command line. An error
carries the settings that would help, and the command line adds their options in brackets::

    raise SettingsError("output 'a.png' exists; set force to overwrite it", settings=("force",))
    # impasto: error: output 'a.png' exists; set force to overwrite it (--force)

A warning does the same by ``logger.warning("…", extra={"settings": ("precision",)})``. A setting that
the command at hand has no option for is left out. Whoever raises an error anew passes its ``settings`` on.
"""

from __future__ import annotations

import difflib
import inspect
import os
import traceback
from collections.abc import Iterable, Sequence
from contextlib import suppress

LONGEST = 800
"""Most characters of an error's line; text from users and from files may be much longer."""


class ImpastoError(Exception):
    """Base of every error that is meant for the user: its text is one clear line."""

    def __init__(self, message: str = "", *, settings: Iterable[str] = ()) -> None:
        """Take the text, and which settings it is about.

        Args:
            message: one line; what would break it, or steer a terminal, is escaped.
            settings: names of the settings that would help, the most helpful first.
        """
        super().__init__(one_line(message))
        self.settings = tuple(settings)


class SettingsError(ImpastoError):
    """A setting, an option or a name that is not allowed."""


class PictureError(ImpastoError):
    """A picture that cannot be read, used or written."""


class OutputError(ImpastoError):
    """A file that cannot be written, or must not be."""


class CheckpointError(ImpastoError):
    """A checkpoint that cannot be written, read or resumed."""


class RecipeError(ImpastoError):
    """A picture's recipe that is not there, cannot be read, or cannot be repeated here."""


class PluginError(ImpastoError):
    """A plugin that cannot be loaded, or that failed; the text names it and where it came from."""


def one_line(text: str) -> str:
    r"""A text with control characters escaped, and without its middle if it is very long.

    >>> one_line("two\nlines")
    'two\\nlines'
    """
    line = visible(text)
    if len(line) > LONGEST:
        line = f"{line[: LONGEST // 2]} … {line[-LONGEST // 2 :]}"
    return line


def visible(text: str, kept: str = "") -> str:
    r"""A text in which every character is escaped that would steer a terminal, or show another text.

    These are control characters, those that change the direction of writing or are invisible, single
    surrogates, and spaces other than the plain one.

    >>> visible("\x1b[2Jred")
    '\\x1b[2Jred'

    Args:
        text: any.
        kept: characters that stay as they are, e.g. the end of a line.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in kept else ascii(one)[1:-1] for one in text)


def counted(number: int, noun: str) -> str:
    """A number with its noun.

    >>> counted(1, "step"), counted(2, "step")
    ('1 step', '2 steps')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def nearest(word: str, names: Sequence[str]) -> str | None:
    """The name that a word is most like, if it is like one at all."""
    return next(iter(difflib.get_close_matches(word, names, n=1)), None)


def unknown(what: str, word: str, allowed: Iterable[str]) -> str:
    """The line for a name that is not known: what is allowed, and the nearest match.

    >>> unknown("loss", "gramm", ["content", "gram"])
    "unknown loss 'gramm'; did you mean 'gram'? Allowed: content, gram"
    """
    names = sorted(allowed)
    near = nearest(word, names)
    hint = f"; did you mean '{near}'?" if near else "."
    return f"unknown {what} '{word}'{hint} Allowed: {', '.join(names) or 'none'}"


def defined_at(thing: object) -> str:
    """Where a function or a class is written, as ``path:line``; empty where that is not known."""
    code = getattr(inspect.unwrap(thing), "__code__", None) if callable(thing) else None
    if code is not None:
        return _place(code.co_filename, code.co_firstlineno)
    with suppress(OSError, TypeError):
        source = inspect.getsourcefile(thing)  # type: ignore[arg-type]
        return _place(source or "", inspect.findsource(thing)[1] + 1)  # type: ignore[arg-type]
    return ""


def raised_at(error: BaseException, source: str) -> str:
    """The innermost line of a source that an error went through, as ``path:line``; empty if there is none.

    Args:
        error: as it was caught.
        source: a Python file, or a folder of them.
    """
    steps = traceback.walk_tb(error.__traceback__)
    lines = [(frame.f_code.co_filename, line) for frame, line in steps]
    if isinstance(error, SyntaxError) and error.filename:
        lines.append((error.filename, error.lineno or 1))
    root = os.path.realpath(source)
    inside = [
        one for one in lines if f"{os.path.realpath(one[0])}{os.sep}".startswith(f"{root}{os.sep}")
    ]
    return _place(*inside[-1]) if source and inside else ""


def with_place(text: str, place: str) -> str:
    """A text, and where in a plugin that is.

    >>> with_place("OSError: moon", "mine.py:3"), with_place("OSError: moon", "")
    ('OSError: moon (mine.py:3)', 'OSError: moon')
    """
    return f"{text} ({place})" if place else text


def _place(file: str, line: int) -> str:
    # The working folder may be gone, and a file may lie on another drive.
    with suppress(OSError, ValueError):
        near = os.path.relpath(file)
        file = file if near.startswith(os.pardir) else near
    return f"{file}:{line}"
