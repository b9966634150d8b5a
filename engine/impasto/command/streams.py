"""Standard streams that are closed or full, or whose terminal is gone: a run goes on, and ends in order."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from impasto.errors import OutputError


def open_closed_streams() -> None:
    """Open each closed standard stream on the null device.

    The next files that are opened would get their numbers, and what is printed would go into those.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


@contextmanager
def guarded_streams() -> Iterator[None]:
    """Guard the standard streams: standard error cannot fail, and standard output fails with one line."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _guarded(sys.stdout, needed=True), _guarded(sys.stderr, needed=False)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def _guarded(stream: TextIO | None, needed: bool) -> Any:
    return None if stream is None else Guarded(stream, needed)


class Guarded:
    """A text stream that drops all output once it could not be written to."""

    def __init__(self, stream: TextIO, needed: bool) -> None:
        """Wrap a stream.

        Args:
            stream: the stream to write to.
            needed: whether the first output that is lost raises an error.
        """
        self._stream, self._needed = stream, needed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write as the stream does.

        Raises:
            BrokenPipeError: the stream is needed, and nobody reads it any more.
            OutputError: the stream is needed, and cannot be written to.
        """
        try:
            return self._stream.write(text)
        except (OSError, ValueError) as error:
            self._give_up(error)
        return len(text)

    def flush(self) -> None:
        """Flush as the stream does; see :meth:`write`."""
        try:
            self._stream.flush()
        except (OSError, ValueError) as error:
            self._give_up(error)

    def _give_up(self, error: OSError | ValueError) -> None:
        # What waits in the buffer would fail again when the process ends, and change its exit status.
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
        if isinstance(error, BrokenPipeError) and self._needed:
            raise error
        if self._needed:
            reason = getattr(error, "strerror", None) or error
            raise OutputError(f"standard output cannot be written to: {reason}")
